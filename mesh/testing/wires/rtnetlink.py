"""Just enough of rtnetlink to join network namespaces: a veth pair, an address, an interface up.

So nothing outside of Python is needed: a container often has no `ip`. Messages and attributes are
those of rtnetlink(7); each request asks for an acknowledgement and waits for it.
"""

import os
import socket
import struct
import sys

__all__ = ["add_address", "add_veth", "bring_up"]

_NEW_LINK, _SET_LINK, _NEW_ADDRESS, _ERROR = 16, 19, 20, 2
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_LINK_HARDWARE, _LINK_NAME, _LINK_INFO, _LINK_NAMESPACE = 1, 3, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_ADDRESS, _ADDRESS_LOCAL = 1, 2
_UP, _NO_ARP = 0x1, 0x80
_HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
_INTERFACE = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, flags to change."""
_INTERFACE_ADDRESS = struct.Struct("=BBBBI")
"""struct ifaddrmsg: family, prefix length, flags, scope, index."""


def add_veth(name: str, peer: str, namespace: int, *, hardware: bytes = b"") -> None:
    """Make a veth pair: one end here, its peer in another network namespace.

    Args:
        name: of the end here, at most 15 characters.
        peer: of the other end.
        namespace: descriptor of the namespace that gets the peer.
        hardware: the peer's Ethernet address, 6 bytes; the kernel's choice unless given.

    Raises:
        OSError: the kernel refuses.
    """
    other = _INTERFACE.pack(0, 0, 0, 0, 0) + _text(_LINK_NAME, peer)
    other += _attribute(_LINK_NAMESPACE, struct.pack("=I", namespace))
    if hardware:
        other += _attribute(_LINK_HARDWARE, hardware)
    info = _text(_INFO_KIND, "veth") + _attribute(_INFO_DATA, _attribute(_VETH_PEER, other))
    body = _INTERFACE.pack(0, 0, 0, 0, 0) + _text(_LINK_NAME, name) + _attribute(_LINK_INFO, info)
    _request(_NEW_LINK, _CREATE | _EXCLUSIVE, body)


def add_address(name: str, address: str, prefix: int) -> None:
    """Give an interface an IPv4 address.

    Raises:
        OSError: the kernel refuses.
    """
    raw, index = socket.inet_aton(address), socket.if_nametoindex(name)
    body = _INTERFACE_ADDRESS.pack(socket.AF_INET, prefix, 0, 0, index)
    body += _attribute(_ADDRESS_LOCAL, raw) + _attribute(_ADDRESS, raw)
    _request(_NEW_ADDRESS, _CREATE | _EXCLUSIVE, body)


def bring_up(name: str, *, resolves: bool = True) -> None:
    """Bring an interface up.

    Args:
        name: of the interface.
        resolves: whether it asks who has an IP address before it sends there (ARP); one that does
            not sends to its own Ethernet address, and whoever carries the frame puts in another.

    Raises:
        OSError: the kernel refuses.
    """
    index = socket.if_nametoindex(name)
    flags = _UP if resolves else _UP | _NO_ARP
    _request(_SET_LINK, 0, _INTERFACE.pack(0, 0, index, flags, flags))


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _attribute(kind: int, value: bytes) -> bytes:
    """A struct rtattr, padded to four bytes."""
    head = struct.pack("=HH", 4 + len(value), kind)
    return head + value + b"\0" * (-len(value) % 4)


def _request(kind: int, flags: int, body: bytes) -> None:
    if sys.platform != "linux":
        raise OSError("rtnetlink exists on Linux alone")
    header = _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST | _ACKNOWLEDGE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(header + body)
        answer = kernel.recv(65536)
    _, said, _, _, _ = _HEADER.unpack_from(answer)
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if said != _ERROR or code:
        raise OSError(-code, os.strerror(-code))
