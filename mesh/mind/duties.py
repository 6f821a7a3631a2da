"""What a node does by the clock: tell it, state its links, follow the topology, ask the disk."""

from crdt.entry import Lane
from crdt.errors import CrdtError
from crdt.standing import Pair
from mesh.coordination.hello import CLOCK_PERIOD_S, Clock
from mesh.coordination.trust import PeerClass
from mesh.mind.conducting import Conducting
from mesh.mind.cores import Cores
from mesh.mind.effects import Wanted
from mesh.mind.keeping import Keeping
from mesh.mind.meeting import STATEMENT_DELAY_NS, Meeting
from mesh.mind.writing import WriteError
from mesh.units import SECOND

__all__ = ["Duties"]

CLOCK_SOON_NS = SECOND
"""A new link hears our clock again after this time, then after twice as long, and so on."""
TOPOLOGY_DELAY_NS = SECOND // 2
"""Changes of the membership are answered by dialling this much later, in one go."""

AGAIN_NS = 10 * SECOND
"""A statement that could not be written is tried again this much later."""


class Duties:
    """The timed duties of one node."""

    def __init__(
        self, cores: Cores, meeting: Meeting, keeping: Keeping, conducting: Conducting
    ) -> None:
        self._cores = cores
        self._conducting = conducting
        self._meeting = meeting
        self._keeping = keeping
        self._addresses: tuple[str, ...] = ()
        self._stated: object = None
        self._wanted: object = None
        self._clocks_told = 0

    def begin(self, addresses: tuple[str, ...]) -> None:
        """Start: these are the addresses where we can be reached."""
        self._addresses = addresses
        self._cores.soon("clock", CLOCK_PERIOD_S * SECOND)

    def met(self) -> None:
        """Somebody new came: tell the clock soon again."""
        self._clocks_told = 0
        self._cores.due["clock"] = self._cores.now.mono_ns + CLOCK_SOON_NS

    def views_changed(self) -> None:
        """Look soon at the topology, and at what we state."""
        self._cores.soon("topology", TOPOLOGY_DELAY_NS)
        self._cores.soon("statement", STATEMENT_DELAY_NS)

    def tick(self) -> None:
        """Do what is due."""
        due, now_ns = self._cores.due, self._cores.now.mono_ns
        duties = {
            "clock": self._tell_clock,
            "halts": self._conducting.sign_again,
            "memory": self._conducting.remember,
            "rollouts": self._conducting.look,
            "statement": self._state_links,
            "store": self._keeping.ask_again,
            "topology": self._follow_topology,
        }
        for what in [what for what, at_ns in due.items() if at_ns <= now_ns]:
            del due[what]
            duties[what]()

    def _tell_clock(self) -> None:
        """Tell our clock: every minute, and a few times soon after somebody new came."""
        cores = self._cores
        for link in cores.links:
            self._meeting.say(link.peer, Clock(cores.now.wall_ms))
        self._clocks_told += 1
        soon_ns = CLOCK_SOON_NS << min(self._clocks_told, 10)
        cores.soon("clock", min(soon_ns, CLOCK_PERIOD_S * SECOND))

    def _state_links(self) -> None:
        """State whom we are linked to and where we can be reached, if that is news."""
        cores = self._cores
        peers = sorted(link.peer for link in cores.links.members())
        body = {"peers": peers, "addresses": list(self._addresses)}
        mine = cores.trust.peer_class(cores.public).peer_class
        if self._stated is None and body == self._shown():
            self._stated = body  # who starts again and finds all as it was has no news to tell
            cores.soon("topology", TOPOLOGY_DELAY_NS)
        if body == self._stated or cores.config.caches_only or mine is not PeerClass.MEMBER:
            return
        t, now_ns = cores.now.wall_ms, cores.now.mono_ns
        try:
            cores.writing.state(Lane.FLEET, "links", "links", body, t=t, now_ns=now_ns)
        except (CrdtError, WriteError):  # the disk lags, or what the app states leaves no room
            cores.soon("statement", AGAIN_NS)
            return
        self._stated = body
        cores.soon("topology", TOPOLOGY_DELAY_NS)

    def _shown(self) -> object:
        """What we said of our links before this start, as far as we hold it."""
        cores = self._cores
        me = Pair(cores.public, cores.config.name)
        return cores.replica.status(Lane.FLEET).get(me, {}).get("links")

    def state_again(self) -> None:
        """The disk refused facts of ours, the statement of our links maybe among them."""
        self._stated = None
        self._cores.soon("statement", AGAIN_NS)

    def _follow_topology(self) -> None:
        """Look who is there, and tell the shell whom to keep links with."""
        cores = self._cores
        members = cores.views.members
        fleet = cores.replica.status(Lane.FLEET)
        mine = tuple(link.peer for link in cores.links.members())
        cores.neighbours.look(members, fleet, mine)
        self._conducting.soon()
        wanted = cores.neighbours.wanted(members, cores.views.places, fleet)
        if wanted != self._wanted:
            self._wanted = wanted
            cores.out.append(Wanted(wanted))
