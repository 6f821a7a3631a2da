"""What a person sees of a run: a line as things happen, and a summary at the end."""

from collections.abc import Mapping
from typing import cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mesh.demo.report.rollout_words import bad_release_told, opened_told

__all__ = ["Narrator"]


class Narrator:
    """Writes to a console; on a terminal with a moving bar, elsewhere line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None

    def tell(self, text: str) -> None:
        """Say what happens."""
        self._console.print(f"  {text}", highlight=False)

    def act(self, title: str) -> None:
        """Announce an act."""
        self._console.rule(f"[bold]{title}")

    def claim(self, name: str, held: bool, sentence: str) -> None:
        """Show a judged claim."""
        mark = "[green]held  [/]" if held else "[bold red]FAILED[/]"
        self._console.print(f"  {mark} {name}: {sentence}", highlight=False)

    def rendered(self, done: int, total: int) -> None:
        """Show how far rendering is."""
        self.tell(f"rendered {done} of {total} cameras")

    def progress(self, share: float) -> None:
        """Show how far the scene has played, 0 to 1."""
        if not self._console.is_terminal:
            return
        if self._bar is None:
            columns = (TextColumn("  the scene plays"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._bar.add_task("scene", total=1.0)
        self._bar.update(self._bar.task_ids[0], completed=share)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def summary(self, result: Mapping[str, object]) -> None:
        """Show the result."""
        self.end()
        self._console.rule("[bold]Summary")
        if "rollout" in result:
            self._rollout(cast("Mapping[str, object]", result["rollout"]))
        if "trust" in result:
            self._trust(cast("Mapping[str, object]", result["trust"]))
        if "reaction" in result:
            self._reaction(cast("Mapping[str, object]", result["reaction"]))
        if "partition" in result:
            self._partition(cast("Mapping[str, object]", result["partition"]))
        failed = cast("list[str]", result["failed"])
        verdict = (
            "[bold green]ok[/]" if result["ok"] else f"[bold red]failed: {', '.join(failed)}[/]"
        )
        self._console.print(
            f"{verdict}  seed {result['seed']}, {result['boxes']} boxes, "
            f"{result['processes']} processes, {result['duration_s']} s",
            highlight=False,
        )

    def _rollout(self, rollout: Mapping[str, object]) -> None:
        table = Table("stage", "boxes asked", "boxes that ran it", "open after s")
        for stage in cast("list[Mapping[str, object]]", rollout["stages"]):
            table.add_row(
                f"{stage['percent']} %",
                str(stage["boxes_asked"]),
                str(stage["boxes"]),
                opened_told(stage["opened_s"]),
            )
        bad = cast("Mapping[str, object]", rollout["bad_release"])
        if table.row_count:
            self._console.print(table)
        self._console.print(
            f"{rollout['boxes_on_approved']} boxes on what is approved. {bad_release_told(bad)}",
            highlight=False,
        )

    def _trust(self, trust: Mapping[str, object]) -> None:
        table = Table("attack", "expected", "sent to", "refused by", "accepted by")
        for attack in cast("list[Mapping[str, object]]", trust["attacks"]):
            refused = cast("list[str]", attack["refused_by"])
            accepted = cast("list[str]", attack["accepted_by"])
            table.add_row(
                str(attack["attacker"]),
                str(attack["expected_reason"]),
                str(attack["sent"]),
                str(len(refused)),
                ", ".join(accepted) or "none",
            )
        swap = cast("Mapping[str, object]", trust["swap"])
        known = cast("list[str]", swap["recognised_by"])
        self._console.print(table)
        if not swap["epoch"]:
            self._console.print("no hardware was swapped", highlight=False)
            return
        self._console.print(
            f"{swap['name']}: epoch {swap['epoch']} recognised by {len(known)} boxes after "
            f"{swap['seconds']} s",
            highlight=False,
        )

    def _reaction(self, reaction: Mapping[str, object]) -> None:
        self._console.print(
            f"{reaction['events']} events, {reaction['samples']} deliveries; "
            f"{reaction['reactions']} of {reaction['expected_reactions']} reactions, "
            f"{reaction['unexpected_reactions']} unexpected; missed "
            f"{len(cast('list[str]', reaction['missed_detections']))}, false "
            f"{reaction['false_detections']} in {reaction['quiet_frames']} quiet frames",
            highlight=False,
        )
        table = Table("from → to", "p50 ms", "p99 ms", "max ms")
        rows = {
            "published → handler": reaction["latency_ms"],
            "frame → request": reaction["frame_to_request_ms"],
            **cast("Mapping[str, object]", reaction["stages_ms"]),
        }
        for name, spread in rows.items():
            if isinstance(spread, Mapping):
                values = cast("Mapping[str, object]", spread)
                table.add_row(name, str(values["p50"]), str(values["p99"]), str(values["max"]))
        self._console.print(table)

    def _partition(self, partition: Mapping[str, object]) -> None:
        if partition["skipped"]:
            self.tell(f"partition skipped: {partition['why']}")
        if not partition["cut_s"]:
            return
        rows = {
            "bridges down": f"{partition['cut_s']} s, noticed by all after "
            f"{partition['noticed_s']} s",
            "heard on their own bank": f"{partition['events_inside_sides']} events",
            "lost across the river": f"{partition['events_lost']} deliveries, each counted",
            "heal → one view": _after(partition["heal_to_agree_s"]),
            "facts lost": str(partition["entries_lost"]),
            "revoked box believed": f"{partition['exposure_s']} s, "
            f"{partition['exposure_healed_s']} s of it after the heal",
        }
        held = partition.get("rollout")
        if isinstance(held, Mapping):
            told = cast("Mapping[str, object]", held)
            rows[f"rollout with {told['on_partition']}"] = (
                f"{told['went_on']} boxes went on, {told['held']} held; on all "
                f"{_after(told['heal_to_complete_s'], ' after the heal')}"
            )
        table = Table("partition", "")
        for name, value in rows.items():
            table.add_row(name, value)
        self._console.print(table)


def _after(seconds: object, what: str = "") -> str:
    return "never" if seconds is None else f"{seconds} s{what}"
