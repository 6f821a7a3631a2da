"""Seeded bugs of rollouts: one for each rule that stands because its absence broke something."""

from tools.mutants_mutant import Change, Mutant

__all__ = ["MUTANTS"]

HISTORIES = "tests/laws/rollouts/test_histories.py"
FOLD = "tests/laws/rollouts/test_fold.py"
VERDICTS = "tests/laws/rollouts/test_verdicts.py"
FILES = "tests/unit/orchestration/test_rollout_file.py"
INVARIANT = "tests/laws/rollouts/test_invariant.py"
TABLES = "tests/unit/orchestration/test_tables.py"
CONDUCTS = "tests/unit/orchestration/test_conductor.py"
RECORDS = "tests/unit/orchestration/test_records.py"
SHADOWS = "tests/unit/inference/test_shadow.py"
ASKED = "tests/unit/orchestration/test_applying.py"

LIVES = (HISTORIES, INVARIANT)
JUDGED = (FOLD, HISTORIES)

GATE = "mesh/orchestration/gate.py"
OPENING = "mesh/orchestration/opening.py"
CHORES = "mesh/orchestration/chores.py"
CONDUCTOR = "mesh/orchestration/conductor.py"
ROLLOUTS = "mesh/orchestration/rollouts.py"
REPORT = "mesh/orchestration/report.py"
WISH = "mesh/orchestration/wish.py"
SIGHT = "mesh/orchestration/sight.py"
APPLYING = "mesh/orchestration/applying.py"
RELEASING = "mesh/orchestration/releasing.py"
COMMANDING = "mesh/orchestration/commanding.py"


def _mutant(
    name: str, bug: str, path: str, text: str, instead: str, tests: tuple[str, ...]
) -> Mutant:
    return Mutant(name, bug, (Change(path, text, instead),), tests)


GATES = (
    _mutant(
        "gate always passes",
        "a stage opens whatever was reported",
        GATE,
        "return self.reported >= self.needed and len(self.bad) <= self.allowed",
        "return True",
        JUDGED,
    ),
    _mutant(
        "no news is good news",
        "a gate without one report passes",
        GATE,
        "needed = max(1, -(-intent.gate.min_reports_ppm * base // MILLION))",
        "needed = -(-intent.gate.min_reports_ppm * base // MILLION)",
        JUDGED,
    ),
    _mutant(
        "silence is no failure",
        "a box that started and is not seen counts in no gate",
        GATE,
        "if verdict is Verdict.OPEN and name not in sight.seen:",
        "if False:",
        JUDGED,
    ),
    _mutant(
        "the dead vote",
        "a good report of a dark name counts",
        GATE,
        "elif verdict is Verdict.GOOD and name not in sight.dark:",
        "elif verdict is Verdict.GOOD:",
        JUDGED,
    ),
    _mutant(
        "the dead hold",
        "the base holds dark names",
        GATE,
        "not (name in sight.dark or (proceeds and sight.is_unknown(name)))",
        "not (proceeds and sight.is_unknown(name))",
        JUDGED,
    ),
    _mutant(
        "mean of nothing",
        "a value that was asked for and not measured meets its threshold",
        "mesh/orchestration/report.py",
        "return most is not None and (measured is None or measured > most)",
        "return most is not None and measured is not None and measured > most",
        JUDGED,
    ),
    _mutant(
        "contradiction is no failure",
        "a candidate may contradict the incumbent as often as it likes",
        REPORT,
        "        or _above(measured.disagreement_ppm, gate.disagreement_ppm_max)\n",
        "",
        (VERDICTS, FOLD),
    ),
    _mutant(
        "a quiet street dilutes",
        "live frames on which nothing happens outweigh what canary frames found",
        "inference/canary.py",
        "return max(alone, PPM * (self.disagreeing + live.disagreeing) // frames)",
        "return PPM * (self.disagreeing + live.disagreeing) // frames",
        (SHADOWS,),
    ),
    _mutant(
        "a shadow tells nobody",
        "what a candidate contradicts and fails at on live frames is in no report",
        "inference/slot_store.py",
        "if isinstance(event, Go) and event.digest == self._candidate:",
        "if False:",
        (SHADOWS,),
    ),
    _mutant(
        "slow is no failure",
        "a candidate may be as slow as it likes",
        REPORT,
        "        _above(measured.p95_us, gate.p95_us_max)\n        or ",
        "        ",
        (VERDICTS, FOLD),
    ),
    _mutant(
        "blind is no failure",
        "a candidate may see as little as it likes",
        REPORT,
        "        or _below(measured.map50_ppm, gate.map50_ppm_min)\n",
        "",
        (VERDICTS, FOLD),
    ),
    _mutant(
        "one above is met",
        "a threshold that is missed by one is met",
        REPORT,
        "measured is None or measured > most",
        "measured is None or measured > most + 1",
        (VERDICTS, FOLD),
    ),
    _mutant(
        "least is nothing",
        "whatever was measured is enough",
        REPORT,
        "measured is None or measured < least",
        "measured is None",
        (VERDICTS, FOLD),
    ),
    _mutant(
        "contradiction is not asked",
        "what a file says of contradictions is not rolled out",
        WISH,
        '            disagreement_ppm_max=asked.get("disagreement"),\n',
        "            disagreement_ppm_max=None,\n",
        (FILES,),
    ),
)

OPENINGS = (
    _mutant(
        "open before the sync",
        "a stage opens as soon as links heal",
        OPENING,
        "if rollout.obstacle is not None or not sight.whole:",
        "if rollout.obstacle is not None:",
        LIVES,
    ),
    _mutant(
        "open in a partition",
        "`hold` opens stages on a side that counts itself partitioned",
        OPENING,
        'held = cut and rollout.intent.on_partition == "hold"',
        "held = False",
        LIVES,
    ),
    _mutant(
        "soak survives the cut",
        "a soak that began before a partition ended counts",
        OPENING,
        "if rollout.id in self._cut and not cut:",
        "if False:",
        LIVES,
    ),
    _mutant(
        "soak survives a failing gate",
        "a gate that stopped passing keeps its soak",
        OPENING,
        "                self._soaks.pop((rollout.id, number), None)\n",
        "",
        (HISTORIES, CONDUCTS),
    ),
    _mutant(
        "latches survive a halt",
        "after halt and resume every stage is open that was",
        OPENING,
        "latches = tuple(latch for latch in memory.latches if latch.era == rollout.era)",
        "latches = memory.latches",
        (HISTORIES, INVARIANT, CONDUCTS),
    ),
    _mutant(
        "half is no majority",
        "half of the names out of sight make no partition",
        SIGHT,
        "2 * away >= len(listed)",
        "2 * away > len(listed)",
        JUDGED,
    ),
    _mutant(
        "one in five",
        "unknown names never make a partition",
        SIGHT,
        "many = unknown >= UNKNOWN_MIN and unknown * UNKNOWN_SHARE > len(listed)",
        "many = False",
        JUDGED,
    ),
)

HALTS = (
    _mutant(
        "halt ignored",
        "a halt that counts stops nobody",
        ROLLOUTS,
        "            counts.append(signed.id)",
        "            pass",
        JUDGED,
    ),
    _mutant(
        "halt by fewer",
        "a halt counts with as many bad reports as are tolerated",
        ROLLOUTS,
        "if live > allowed and any(",
        "if live >= allowed and any(",
        JUDGED,
    ),
    _mutant(
        "nothing is forgiven",
        "a halt counts on reports that a resume forgave",
        ROLLOUTS,
        "        and report.id not in rollout.forgiven\n",
        "",
        JUDGED,
    ),
    _mutant(
        "revoked names halt",
        "what a revoked name reported still halts",
        ROLLOUTS,
        "live = sum(authority.current(pair) for pair in bad)",
        "live = len(bad)",
        JUDGED,
    ),
    _mutant(
        "revoking resumes",
        "a halt whose culprit was revoked holds nobody",
        ROLLOUTS,
        "            holds.append(signed.id)",
        "            pass",
        JUDGED,
    ),
    _mutant(
        "forged proof",
        "a halt counts on reports that nobody signed",
        "mesh/orchestration/halt.py",
        "if not all(is_signed(report.wire) for report in reports):",
        "if False:",
        (TABLES,),
    ),
    _mutant(
        "halt upon halt",
        "a box signs a halt where one counts",
        "mesh/orchestration/halting.py",
        "if rollout.is_proven or rollout.dead is not None or rollout.halts or cohort is None:",
        "if rollout.is_proven or rollout.ended is not None or cohort is None:",
        (CONDUCTS, *LIVES),
    ),
)

APPROVED = (
    _mutant(
        "late word halts",
        "one late bad report sends a city back from what is approved",
        "mesh/orchestration/halting.py",
        "if rollout.is_proven or rollout.dead is not None or rollout.halts or cohort is None:",
        "if rollout.dead is not None or rollout.halts or cohort is None:",
        (HISTORIES,),
    ),
    _mutant(
        "late hardware goes blind",
        "of what is approved only the stages are open whose reports were there",
        OPENING,
        "return rollout.is_wide_open or memory.is_open(stage)",
        "return memory.is_open(stage)",
        (HISTORIES,),
    ),
    _mutant(
        "anything is approved",
        "a candidate is open as an approved model is",
        ROLLOUTS,
        "return self.model in PROVEN",
        "return self.model is not ModelState.WITHDRAWN",
        LIVES,
    ),
    _mutant(
        "approving forgives",
        "a halt that counts stops nobody once the model is approved",
        ROLLOUTS,
        "if live > allowed and any(",
        "if not rollout.is_proven and live > allowed and any(",
        (FOLD, HISTORIES),
    ),
    _mutant(
        "bad word taken out",
        "what stands against an approved model is taken out, and nobody can forgive it",
        CHORES,
        "return rollout.is_proven and not (stands and report.id not in rollout.forgiven)",
        "return rollout.is_proven",
        (HISTORIES, CONDUCTS),
    ),
    _mutant(
        "good word kept",
        "reports of an approved model are said for ever",
        CHORES,
        "return rollout.is_proven and not (stands and report.id not in rollout.forgiven)",
        "return False",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "bad words fill the room",
        "what stands against approved models is kept without a bound",
        CHORES,
        "gone = (*settled, *(*dead, *proven)[: max(0, len(left) - REPORTS_MAX)])",
        "gone = (*settled, *dead[: max(0, len(left) - REPORTS_MAX)])",
        (CONDUCTS,),
    ),
)

COMMANDS = (
    _mutant(
        "the dead supersede",
        "what a dead intent named stays superseded",
        ROLLOUTS,
        "live = [rollout for rollout in found.values() if rollout.dead is None]",
        "live = list(found.values())",
        JUDGED,
    ),
    _mutant(
        "rivals go on",
        "two intents of one slot that do not name each other both open",
        ROLLOUTS,
        "return one != other and one.slot == other.slot and overlap",
        "return False",
        JUDGED,
    ),
    _mutant(
        "resume lifts every pause",
        "a resume lifts pauses that it does not name",
        ROLLOUTS,
        "each.verb is Verb.PAUSE and each.id not in lifted",
        "each.verb is Verb.PAUSE and not resumes",
        JUDGED,
    ),
    _mutant(
        "promote after a halt",
        "a promote of before a halt counts after the resume",
        ROLLOUTS,
        "and set(era) <= set(each.names)",
        "and each.names is not None",
        JUDGED,
    ),
    _mutant(
        "another value for an intent",
        "a later put takes the place of an intent",
        "mesh/orchestration/tables.py",
        "return self.agrees(key, value) and KeyRule.authorises(self, capability, key, value)",
        "return KeyRule.authorises(self, capability, key, value)",
        (TABLES,),
    ),
)

BOXES = (
    _mutant(
        "restart into a halted model",
        "a box that went back starts again without a resume",
        CONDUCTOR,
        "if rollout.obstacle is not None or held.stopped is not None:",
        "if rollout.obstacle is not None:",
        (CONDUCTS, *LIVES),
    ),
    _mutant(
        "unforgiven",
        "a box starts again though its own bad report stands",
        "mesh/orchestration/reporting.py",
        "return any(each.id not in rollout.forgiven for each in bad)",
        "return False",
        (*LIVES, CONDUCTS),
    ),
    _mutant(
        "the dead run on",
        "a box stays with what a dead intent brought",
        CONDUCTOR,
        "        self._leave_the_dead(slot)\n",
        "",
        LIVES,
    ),
    _mutant(
        "swap without a trace",
        "a box swaps before a neighbour holds its report",
        CONDUCTOR,
        "if self._waits(trial) and not self._sight.linked:",
        "if self._waits(trial):",
        (CONDUCTS, *LIVES),
    ),
    _mutant(
        "permission outlives the power",
        "a box swaps without a trace because it was alone before it lost power",
        CONDUCTOR,
        "return self._permitted.get(intent) != held.attempt",
        "return False",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "any box at once",
        "a box starts whatever stage is open",
        CONDUCTOR,
        "return stage is not None and is_open(rollout, held, stage)",
        "return stage is not None",
        LIVES,
    ),
    _mutant(
        "good again",
        "a bad report is replaced by a good one of the same attempt",
        "mesh/orchestration/reporting.py",
        "            if verdict_of(before, rollout.intent.gate) is Verdict.BAD:\n"
        "                return held\n",
        "",
        (HISTORIES, CONDUCTS),
    ),
    _mutant(
        "back to a withdrawn one",
        "a box goes back to what is withdrawn",
        "mesh/orchestration/going_back.py",
        "    if rollouts.is_withdrawn(running.artefact):\n        return True\n",
        "",
        (CONDUCTS, HISTORIES),
    ),
    _mutant(
        "said once",
        "a report that was kept and not stated is never said again",
        "mesh/orchestration/reporting.py",
        "if intent not in said_ns or now_ns - said_ns[intent] >= AGAIN_NS:",
        "if False:",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "older than its word",
        "a memory older than what a box stated is believed",
        CONDUCTOR,
        "held = self._reporting.recovered(self._of(rollout.id), rollout)",
        "held = self._intents.get(rollout.id) or self._reporting.recovered("
        "IntentMemory(), rollout)",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "said over",
        "an older report is said again over what a box shows",
        "mesh/orchestration/report.py",
        "return _rank(report, gate) >= _rank(shown, gate)",
        "return True",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "taken out too soon",
        "what a running attempt said is taken out",
        CHORES,
        "if held.report is not None and held.phase is None\n",
        "if held.report is not None\n",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "taken out once",
        "of an approved model only the first report is taken out",
        CONDUCTOR,
        "if self._unsaid.get(each) != report]",
        "if each not in self._unsaid]",
        (CONDUCTS, INVARIANT),
    ),
    _mutant(
        "never forgotten",
        "an intent that vanished is remembered for ever",
        CONDUCTOR,
        "                del self._intents[identifier]\n",
        "                pass\n",
        (CONDUCTS,),
    ),
    _mutant(
        "forgotten too soon",
        "who brought what a slot runs is forgotten with its intent",
        CHORES,
        "        and identifier not in named\n",
        "",
        (CONDUCTS,),
    ),
    _mutant(
        "one reference a digest",
        "a false size or tree takes the place of the true one",
        CHORES,
        "wanted[reference.id] = reference",
        "wanted[reference.digest] = reference",
        (CONDUCTS,),
    ),
    _mutant(
        "soak of a ghost",
        "a soak goes on while its intent is not in view",
        OPENING,
        "self._soaks = {key: at_ns for key, at_ns in self._soaks.items() if key[0] in intents}",
        "pass",
        (CONDUCTS,),
    ),
    _mutant(
        "float stages",
        "a stage is the ceiling of a float product",
        "mesh/orchestration/cohort.py",
        "max(-(-share_ppm * count // MILLION), min(STAGE_NAMES_MIN, count))",
        "max(int(-(-(share_ppm / MILLION) * count // 1)), min(STAGE_NAMES_MIN, count))",
        (RECORDS, FOLD),
    ),
)

PLANS = (
    _mutant(
        "only heads are named",
        "an intent names what it takes the place of, and not what stands behind that",
        APPLYING,
        "if each.ended is None and is_at_or_under(each.intent.scope, scope)",
        "if not each.superseded_by and is_at_or_under(each.intent.scope, scope)",
        (ASKED,),
    ),
    _mutant(
        "the halted are forgotten",
        "an intent names no halted one, which a resume makes its rival",
        APPLYING,
        "if each.ended is None and is_at_or_under(each.intent.scope, scope)",
        "if each.dead is None and is_at_or_under(each.intent.scope, scope)",
        (ASKED,),
    ),
    _mutant(
        "unsigned is released",
        "an artefact that nobody signed is rolled out",
        RELEASING,
        "    if release.released_by is None:\n",
        "    if False:\n",
        (ASKED,),
    ),
    _mutant(
        "anybody releases",
        "an artefact is rolled out whoever signed it",
        RELEASING,
        "    if not may_release(view, release.released_by):\n",
        "    if False:\n",
        (ASKED,),
    ),
    _mutant(
        "unreleased is approved",
        "a model is approved whoever signed its artefact, or nobody",
        "mesh/node/approving.py",
        "    if state in _BRINGING:\n",
        "    if False:\n",
        ("tests/unit/cli/test_approving.py",),
    ),
    _mutant(
        "intent before its record",
        "boxes may run a candidate before others may hear it",
        APPLYING,
        "puts=(*records, (intent_key(intent.scope, intent.id), intent.to_value())),",
        "puts=((intent_key(intent.scope, intent.id), intent.to_value()), *records),",
        (ASKED,),
    ),
    _mutant(
        "administrators are boxes",
        "the names of stewards stand in cohorts, and hold every gate",
        "mesh/orchestration/standpoint.py",
        "and standing.stratum >= BOX_STRATUM",
        "and standing.stratum >= 0",
        (ASKED,),
    ),
    _mutant(
        "juniors resume",
        "a resume claims to lift a pause that it cannot lift",
        COMMANDING,
        "[each for each in rollout.pauses if stratum <= seniors.get(each, stratum)]",
        "list(rollout.pauses)",
        (ASKED,),
    ),
)

MUTANTS: tuple[Mutant, ...] = (
    *GATES,
    *OPENINGS,
    *HALTS,
    *APPROVED,
    *COMMANDS,
    *BOXES,
    *PLANS,
)
