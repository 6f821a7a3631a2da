"""A model of a signal controller: it answers requests inside its own envelope.

The library never drives lamps. A box *asks* (`request`), and this machine decides: it accepts,
trims or refuses. It is pure: time comes in as `now_ns` on a monotonic clock, and the state is what
follows from the requests and their times.

**The cycle.** Each signal group (the approaches that are green together) gets, in turn, green, then
yellow, then a clearance in which all groups are red. A group's red is the time between its yellow
and its next green. Pedestrians beside a green group walk until `pedestrian_clearance_s` before its
yellow and need that time to get across.

          ┌──────────────── next group ────────────────┐
          ▼                                            │
        GREEN ──(base ≥ minimum)──▶ YELLOW ──────▶ CLEARANCE (all red)
          ▲ advance_yellow shortens                    ▲ extend_red holds

**What may be asked**, for one group:

- `extend_red`: hold the clearance before the group's next green for some seconds more;
- `advance_yellow`: end the group's green some seconds earlier.

If the group's red (for an extension) or green (for an advance) has begun, the request acts on it;
otherwise it waits for the next one, and lapses if that begins later than `expiry_s` after the
request: the reason will be gone. A hold is applied when the clearance before the group's green
begins. At most one request of a kind waits per group, and it is applied as far as the bounds allow
at that time.

**What always holds**, for any sequence of requests (the property test in
`tests/unit/demo/test_signals.py` judges the lamps alone):

- one order of lamps: a green is never revoked, a red never resumed, so nothing can oscillate;
- green ≥ `green_min_s`; a walk that ends leaves `pedestrian_clearance_s` before the yellow, and one
  that has ended stays ended; yellow and clearance are never shorter than planned, yellow never
  longer;
- in one cycle all holds together stay within `extend_red_max_s`, and the advances of one group
  within `advance_yellow_max_s`;
- red ≤ `red_max_s`. A red spans parts of at most two cycles, so it is at most the planned red and
  two cycles' holds, and the plan is refused if that exceeds the bound.

Times are kept in whole nanoseconds; a `now_ns` before an earlier one counts as that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

__all__ = [
    "Decision",
    "Lamp",
    "Outcome",
    "RequestKind",
    "SignalController",
    "SignalPlan",
    "SignalPlanError",
]

_NANOSECONDS = 1_000_000_000
REMEMBERED_MAX = 64
"""Reasons remembered, so that one incident is granted once; the oldest goes first."""


class SignalPlanError(ValueError):
    """A signal plan breaks its own bounds."""


class Lamp(Enum):
    """What a signal group shows."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class RequestKind(Enum):
    """What may be asked for; the value is the word used on the outside."""

    EXTEND_RED = "extend_red"
    ADVANCE_YELLOW = "advance_yellow"


class Outcome(Enum):
    """How a request was answered."""

    ACCEPTED = "accepted"
    TRIMMED = "trimmed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request.

    Attributes:
        outcome: accepted in full, trimmed, or refused.
        granted_s: seconds granted; 0 when refused.
        reason: `now`, or `waiting` for its stage to begin; the bound that trimmed it,
            `minimum_green`, `pedestrian_clearance` or `cycle_bound`; or why it was refused: one of
            these bounds, `observe_only`, `already_granted`, `already_waiting`, `unknown_kind`,
            `unknown_group`, `not_positive`.
    """

    outcome: Outcome
    granted_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPlan:
    """The base plan and the envelope. All times in seconds.

    Attributes:
        groups: names of the signal groups in the order of their greens, at least two.
        green_s: planned green of each group.
        yellow_s: yellow, 3 to 6 (the range of traffic engineering handbooks).
        clearance_s: all red between two groups.
        green_min_s: no green is shorter.
        pedestrian_clearance_s: what a pedestrian needs who just stepped on the crossing.
        extend_red_max_s: all holds of one cycle together.
        advance_yellow_max_s: all advances of one group in one cycle together.
        red_max_s: no red is longer.
        expiry_s: a request that cannot act by then lapses.

    Raises:
        SignalPlanError: the plan breaks its own bounds.
    """

    groups: tuple[str, ...] = ("watched", "crossing")
    green_s: float = 24.0
    yellow_s: float = 3.0
    clearance_s: float = 2.0
    green_min_s: float = 8.0
    pedestrian_clearance_s: float = 6.0
    extend_red_max_s: float = 8.0
    advance_yellow_max_s: float = 6.0
    red_max_s: float = 60.0
    expiry_s: float = 30.0

    def __post_init__(self) -> None:
        if len(set(self.groups)) != len(self.groups) or len(self.groups) < 2:
            raise SignalPlanError(f"groups {self.groups!r}; name at least two different ones")
        if not 3.0 <= self.yellow_s <= 6.0:
            raise SignalPlanError(f"yellow_s {self.yellow_s!r}; give 3 to 6 seconds")
        if not 0 < self.green_min_s <= self.green_s:
            raise SignalPlanError(
                f"green_min_s {self.green_min_s!r}; give more than 0, at most {self.green_s!r}"
            )
        if not 0 < self.pedestrian_clearance_s <= self.green_min_s:
            raise SignalPlanError(
                f"pedestrian_clearance_s {self.pedestrian_clearance_s!r}; "
                f"give more than 0, at most green_min_s, {self.green_min_s!r}"
            )
        if self.clearance_s < 0 or min(self.extend_red_max_s, self.advance_yellow_max_s) < 0:
            raise SignalPlanError("clearance_s and the two bounds of a cycle must not be negative")
        longest_red_s = self.planned_red_s + 2 * self.extend_red_max_s
        if longest_red_s > self.red_max_s:
            raise SignalPlanError(
                f"a red could last {longest_red_s!r} s, over red_max_s {self.red_max_s!r}; "
                "shorten green_s or extend_red_max_s"
            )

    @property
    def planned_red_s(self) -> float:
        """A group's red when nobody asks for anything."""
        others = len(self.groups) - 1
        return others * (self.green_s + self.yellow_s) + len(self.groups) * self.clearance_s


class _Stage(Enum):
    """The stages of one group's turn, in order."""

    GREEN = 0
    YELLOW = 1
    CLEARANCE = 2


@dataclass(slots=True)
class _Waiting:
    """A granted request that waits for its stage: at most one of a kind and group."""

    amount_ns: int
    expires_ns: int | None
    """None once the red or green that it is meant for has begun."""


class SignalController:
    """The controller of one crossing.

    Args:
        plan: its timing and envelope.
        now_ns: when the first group's green begins, monotonic nanoseconds.
        observe_only: decide about nothing, refuse everything, and count it.
    """

    def __init__(self, plan: SignalPlan, now_ns: int, *, observe_only: bool = False) -> None:
        self._plan = plan
        self._observe_only = observe_only
        self._now_ns = now_ns
        self._turn = 0
        self._stage = _Stage.GREEN
        self._began_ns = now_ns
        self._ends_ns = now_ns + _ns(plan.green_s)
        self._held_ns = 0
        self._advanced_ns = 0
        self._waiting: dict[tuple[RequestKind, str], _Waiting] = {}
        self._granted: dict[tuple[RequestKind, str, str], None] = {}
        self._counts = dict.fromkeys((outcome.value for outcome in Outcome), 0)

    def __repr__(self) -> str:
        return f"<SignalController {self._plan.groups[self._turn]} {self._stage.name.lower()}>"

    def statistics(self) -> Mapping[str, int]:
        """How many requests were accepted, trimmed and refused."""
        return MappingProxyType(dict(self._counts))

    def advance(self, now_ns: int) -> None:
        """Lets time pass up to `now_ns`."""
        self._now_ns = max(self._now_ns, now_ns)
        while self._ends_ns <= self._now_ns:
            self._next_stage()

    def next_change_ns(self) -> int:
        """When a lamp changes next, if nobody asks for anything until then."""
        return self._ends_ns

    def lamps(self, now_ns: int) -> Mapping[str, Lamp]:
        """What each group shows at `now_ns`."""
        self.advance(now_ns)
        shown = dict.fromkeys(self._plan.groups, Lamp.RED)
        if self._stage is not _Stage.CLEARANCE:
            lamp = Lamp.GREEN if self._stage is _Stage.GREEN else Lamp.YELLOW
            shown[self._plan.groups[self._turn]] = lamp
        return MappingProxyType(shown)

    def walks(self, now_ns: int) -> bool:
        """Whether pedestrians beside the green group may still step on the crossing."""
        self.advance(now_ns)
        return self._stage is _Stage.GREEN and self._now_ns < self._walk_ends_ns()

    def request(
        self, kind: str, seconds: float, because: str, now_ns: int, *, group: str | None = None
    ) -> Decision:
        """Asks for a change.

        Args:
            kind: `extend_red` or `advance_yellow`.
            seconds: how much.
            because: what for, such as an event id; one reason is granted once per kind and group.
            now_ns: monotonic nanoseconds.
            group: which signal group; the first of the plan unless given.
        """
        self.advance(now_ns)
        decision = self._decide(kind, seconds, because, group or self._plan.groups[0])
        self._counts[decision.outcome.value] += 1
        return decision

    def _decide(self, word: str, seconds: float, because: str, group: str) -> Decision:
        """The literal order of the questions; the first that fails decides."""
        kind = next((one for one in RequestKind if one.value == word), None)
        if kind is None:
            return _refused("unknown_kind")
        if group not in self._plan.groups:
            return _refused("unknown_group")
        if not 0 < seconds < float("inf"):
            return _refused("not_positive")
        if self._observe_only:
            return _refused("observe_only")
        if (kind, group, because) in self._granted:
            return _refused("already_granted")
        acts_now = self._acts_now(kind, group)
        if not acts_now and (kind, group) in self._waiting:
            return _refused("already_waiting")
        asked_ns = _ns(min(seconds, self._plan.red_max_s))
        if acts_now:
            granted_ns, bound = self._grant(kind, asked_ns, self._now_ns)
        else:
            granted_ns = min(asked_ns, self._cycle_bound_ns(kind))
            bound = "cycle_bound"
            if granted_ns:
                self._waiting[kind, group] = _Waiting(granted_ns, self._expires_ns(kind, group))
        if not granted_ns:
            return _refused(bound)
        self._remember(kind, group, because)
        if granted_ns < _ns(seconds):
            return Decision(Outcome.TRIMMED, granted_ns / _NANOSECONDS, bound)
        return Decision(Outcome.ACCEPTED, float(seconds), "now" if acts_now else "waiting")

    def _acts_now(self, kind: RequestKind, group: str) -> bool:
        """Whether the stage that this request changes is running."""
        if kind is RequestKind.ADVANCE_YELLOW:
            return self._stage is _Stage.GREEN and self._plan.groups[self._turn] == group
        return self._stage is _Stage.CLEARANCE and self._following() == group

    def _expires_ns(self, kind: RequestKind, group: str) -> int | None:
        """Until when a waiting request may wait: for ever if the red that it extends has begun."""
        is_red = self._plan.groups[self._turn] != group or self._stage is _Stage.CLEARANCE
        if kind is RequestKind.EXTEND_RED and is_red:
            return None
        return self._now_ns + _ns(self._plan.expiry_s)

    def _grant(self, kind: RequestKind, asked_ns: int, now_ns: int) -> tuple[int, str]:
        """Changes the running stage as far as the bounds let it: granted time, and the bound."""
        if kind is RequestKind.EXTEND_RED:
            granted_ns = min(asked_ns, self._cycle_bound_ns(kind) - self._held_ns)
            self._held_ns += granted_ns
            self._ends_ns += granted_ns
            return granted_ns, "cycle_bound"
        rooms = {
            "cycle_bound": self._cycle_bound_ns(kind) - self._advanced_ns,
            "minimum_green": self._ends_ns - self._began_ns - _ns(self._plan.green_min_s),
            "pedestrian_clearance": max(0, self._walk_ends_ns() - now_ns),
        }
        bound = min(rooms, key=lambda name: rooms[name])
        granted_ns = min(asked_ns, rooms[bound])
        self._advanced_ns += granted_ns
        self._ends_ns -= granted_ns
        return granted_ns, bound

    def _next_stage(self) -> None:
        self._began_ns = self._ends_ns
        if self._stage is _Stage.GREEN:
            self._stage = _Stage.YELLOW
            self._ends_ns += _ns(self._plan.yellow_s)
        elif self._stage is _Stage.YELLOW:
            self._stage = _Stage.CLEARANCE
            self._ends_ns += _ns(self._plan.clearance_s)
            self._lapse_or_bind(RequestKind.EXTEND_RED, self._plan.groups[self._turn])
            self._use_waiting(RequestKind.EXTEND_RED, self._following())
        else:
            self._turn = (self._turn + 1) % len(self._plan.groups)
            self._stage = _Stage.GREEN
            self._ends_ns += _ns(self._plan.green_s)
            self._advanced_ns = 0
            if self._turn == 0:
                self._held_ns = 0
            self._lapse_or_bind(RequestKind.ADVANCE_YELLOW, self._plan.groups[self._turn])
            self._use_waiting(RequestKind.ADVANCE_YELLOW, self._plan.groups[self._turn])

    def _lapse_or_bind(self, kind: RequestKind, group: str) -> None:
        """At the start of a red or green: a request for it that waited too long is forgotten."""
        waiting = self._waiting.get((kind, group))
        if waiting is None or waiting.expires_ns is None:
            return
        if waiting.expires_ns < self._began_ns:
            del self._waiting[kind, group]
        else:
            waiting.expires_ns = None

    def _use_waiting(self, kind: RequestKind, group: str) -> None:
        """Applies the request that waited for the stage which just began."""
        waiting = self._waiting.pop((kind, group), None)
        if waiting is not None:
            self._grant(kind, waiting.amount_ns, self._began_ns)

    def _following(self) -> str:
        """The group whose green comes next."""
        return self._plan.groups[(self._turn + 1) % len(self._plan.groups)]

    def _walk_ends_ns(self) -> int:
        return self._ends_ns - _ns(self._plan.pedestrian_clearance_s)

    def _cycle_bound_ns(self, kind: RequestKind) -> int:
        if kind is RequestKind.EXTEND_RED:
            return _ns(self._plan.extend_red_max_s)
        return _ns(self._plan.advance_yellow_max_s)

    def _remember(self, kind: RequestKind, group: str, because: str) -> None:
        self._granted[kind, group, because] = None
        while len(self._granted) > REMEMBERED_MAX:
            del self._granted[next(iter(self._granted))]


def _ns(seconds: float) -> int:
    return round(seconds * _NANOSECONDS)


def _refused(reason: str) -> Decision:
    return Decision(Outcome.REFUSED, 0.0, reason)
