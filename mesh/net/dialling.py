"""One dial: several addresses, the first that proves the peer's key wins.

In the manner of RFC 8305: the addresses are tried in order, and the next one is tried beside the
others when none has answered for `DIAL_STAGGER_S` or as soon as one has failed. libp2p's own
dialler waits that long after every success too, ranks addresses by transport only and refuses for
a minute after a failure, whatever address one gives it.
"""

import trio
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from mesh.net.errors import AddressError, DialError
from mesh.net.limits import DIAL_STAGGER_S, DIAL_TIMEOUT_S
from mesh.net.swarm import ContainedSwarm

__all__ = ["dial_any"]


async def dial_any(swarm: ContainedSwarm, addresses: tuple[str, ...], target: ID) -> None:
    """Connects to `target` at one of `addresses`.

    Raises:
        AddressError: None of the addresses can be read.
        DialError: None led to `target` in time.
    """
    readable, problems = _readable(addresses, target)
    if addresses and not readable:
        raise AddressError(f"no usable address for {target}: {'; '.join(problems)}")
    race = _Race(swarm, target, problems)
    with trio.move_on_after(DIAL_TIMEOUT_S) as deadline:
        await race.run(readable)
    if race.won:
        return
    if deadline.cancelled_caught:
        problems.append(f"no answer within {DIAL_TIMEOUT_S:.0f} s")
    reasons = "; ".join(problems) or "no address known"
    raise DialError(f"cannot connect to {target}: {reasons}")


class _Race:
    """Attempts at one peer, side by side."""

    def __init__(self, swarm: ContainedSwarm, target: ID, problems: list[str]) -> None:
        self.won = False
        self._swarm = swarm
        self._target = target
        self._problems = problems
        self._scope = trio.CancelScope()

    async def run(self, addresses: list[Multiaddr]) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                for address in addresses:
                    failed = trio.Event()
                    nursery.start_soon(self._attempt, address, failed)
                    with trio.move_on_after(DIAL_STAGGER_S):
                        await failed.wait()

    async def _attempt(self, address: Multiaddr, failed: trio.Event) -> None:
        try:
            await self._swarm.dial_addr(address, self._target)
        except SwarmException as error:
            self._problems.append(f"{address}: {error.__cause__ or error}")
            failed.set()
        else:
            self.won = True
            self._scope.cancel()


def _readable(addresses: tuple[str, ...], target: ID) -> tuple[list[Multiaddr], list[str]]:
    readable: list[Multiaddr] = []
    problems: list[str] = []
    for text in addresses:
        try:
            address = Multiaddr(text)
            named = [str(value) for code, value in address.items() if code.name == "p2p"]
        except ValueError as error:
            problems.append(f"{text!r} is no multiaddr ({error})")
            continue
        if named not in ([], [str(target)]):
            problems.append(f"{text!r} names another peer")
        else:
            readable.append(address)
    return readable, problems
