"""Messages asked for by IWANT and not yet here.

Each id is asked of one peer at a time; others that advertise it meanwhile are noted and asked when
the first stays silent. Without the second ask one lost answer is a lost message.
"""

from collections import deque

from mesh.gossip.params import Params

OTHERS_MAX = 3
"""Further advertisers remembered for one id."""


class Ask:
    """One id asked for.

    Attributes:
        peer: whom it was asked of last.
        others: who else advertised it, and has not been asked.
        tries: how many times it was asked.
        due_ns: when it counts as unanswered.
    """

    __slots__ = ("due_ns", "others", "peer", "tries")

    def __init__(self, peer: bytes, due_ns: int) -> None:
        self.peer = peer
        self.others: list[bytes] = []
        self.tries = 1
        self.due_ns = due_ns


class Asks:
    """All ids asked for, at most `params.asked_max`."""

    __slots__ = ("_asks", "_order", "_params")

    def __init__(self, params: Params) -> None:
        self._params = params
        self._asks: dict[bytes, Ask] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._asks)

    def want(self, message_id: bytes, peer: bytes, now_ns: int) -> bool:
        """Whether to ask this peer now for an id it advertised; if so, it counts as asked."""
        ask = self._asks.get(message_id)
        if ask is not None:
            if peer != ask.peer and peer not in ask.others and len(ask.others) < OTHERS_MAX:
                ask.others.append(peer)
            return False
        if len(self._asks) >= self._params.asked_max:
            return False
        ask = self._asks[message_id] = Ask(peer, now_ns + self._params.iwant_retry_ns)
        self._order.append((ask.due_ns, message_id))
        return True

    def again(self, message_id: bytes, ask: Ask, peer: bytes, now_ns: int) -> None:
        """An overdue id is asked once more, of `peer`."""
        ask.peer = peer
        ask.tries += 1
        ask.due_ns = now_ns + self._params.iwant_retry_ns
        self._asks[message_id] = ask
        self._order.append((ask.due_ns, message_id))

    def arrived(self, message_id: bytes) -> Ask | None:
        """The message is here; return how it was asked for, None where it was not."""
        return self._asks.pop(message_id, None)

    def due_ns(self) -> int | None:
        """Return when the next unanswered id is overdue."""
        order, asks = self._order, self._asks
        while order:
            due_ns, message_id = order[0]
            ask = asks.get(message_id)
            if ask is not None and ask.due_ns == due_ns:
                return due_ns
            order.popleft()
        return None

    def overdue(self, now_ns: int) -> list[tuple[bytes, Ask]]:
        """Return and forget the ids that stayed unanswered; `again` puts one back."""
        found: list[tuple[bytes, Ask]] = []
        due_ns = self.due_ns()
        while due_ns is not None and due_ns <= now_ns:
            _, message_id = self._order.popleft()
            found.append((message_id, self._asks.pop(message_id)))
            due_ns = self.due_ns()
        return found
