"""Network namespaces without any tool: made by one process, entered by others.

A network namespace has interfaces, addresses and ports of its own; what is in it reaches what is
outside only through what somebody put there. `open_ground` takes the calling process into an empty
one in which it may do everything: as root, or, where that is refused, in a user namespace that
anybody may make. `make_namespace` makes another beside it. They live as long as a process is in
them or holds them open: nothing has to be cleaned up, whoever is killed.

Other processes of the same user `enter` by path, before they start a thread. See namespaces(7),
user_namespaces(7).
"""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Namespace",
    "NamespacesUnavailableError",
    "enter",
    "make_namespace",
    "open_ground",
    "visiting",
]

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_OWN_NETWORK = "/proc/self/ns/net"


class NamespacesUnavailableError(Exception):
    """This machine gives us no network namespaces; the message says what was refused."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace that a living process holds open.

    Attributes:
        network: its path under /proc.
        user: path of the user namespace that must be entered first; "" for none.
    """

    network: str
    user: str = ""

    @classmethod
    def held(cls, descriptor: int, user: str) -> "Namespace":
        """Name one that this process holds, so that others can enter it while we live."""
        return cls(f"/proc/{os.getpid()}/fd/{descriptor}", user)


def open_ground() -> str:
    """Move this process, which has one thread, into an empty network namespace.

    Returns:
        The path of the user namespace that was needed for it, "" if none was.

    Raises:
        NamespacesUnavailableError: not on Linux, or the kernel refuses.
    """
    if sys.platform != "linux":
        raise NamespacesUnavailableError(f"network namespaces exist on Linux, not {sys.platform}")
    try:
        _call("unshare", _NEW_NETWORK)
    except PermissionError:
        return _open_as_anybody()
    except OSError as error:
        raise NamespacesUnavailableError(f"no network namespace: {error.strerror}") from None
    return ""


def _open_as_anybody() -> str:
    """Get the rights from a user namespace, in which everybody keeps the number that they have."""
    user, group = os.getuid(), os.getgid()
    try:
        _call("unshare", _NEW_USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        _call("unshare", _NEW_NETWORK)
    except OSError as error:
        raise NamespacesUnavailableError(
            f"neither root nor user namespaces: {error.strerror}; run it as root, or allow them "
            "(sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
        ) from None
    return f"/proc/{os.getpid()}/ns/user"


def make_namespace() -> int:
    """Make a network namespace beside ours; returns a descriptor that holds it open.

    Raises:
        OSError: the kernel refuses.
    """
    home = os.open(_OWN_NETWORK, os.O_RDONLY)
    try:
        _call("unshare", _NEW_NETWORK)
        made = os.open(_OWN_NETWORK, os.O_RDONLY)
        _call("setns", home, _NEW_NETWORK)
    finally:
        os.close(home)
    return made


@contextmanager
def visiting(descriptor: int) -> Generator[None]:
    """Be in a network namespace that we made, until the block is left."""
    home = os.open(_OWN_NETWORK, os.O_RDONLY)
    try:
        _call("setns", descriptor, _NEW_NETWORK)
        yield
        _call("setns", home, _NEW_NETWORK)
    finally:
        os.close(home)


def enter(namespace: Namespace) -> None:
    """Move this process, which has one thread, into a network namespace, for good.

    Raises:
        OSError: nobody holds it any more, or it belongs to somebody else.
    """
    kinds = [(namespace.user, _NEW_USER)] if namespace.user else []
    kinds.append((namespace.network, _NEW_NETWORK))
    opened = [(os.open(path, os.O_RDONLY), kind) for path, kind in kinds]
    for descriptor, kind in opened:
        _call("setns", descriptor, kind)
        os.close(descriptor)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
