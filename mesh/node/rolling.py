"""What people ask of rollouts at a console or a desk: applied, listed, watched, commanded.

The same requests are served by a running node and by a desk without a network; see `issuing`. What
is to be written is planned by `mesh.orchestration.applying` and `commanding`; here it is read from
a request, the bytes are put where neighbours can fetch them, and then the registers are written,
the record that lets boxes hear a candidate before the intent that makes them run it.
"""

import secrets
from collections.abc import Callable, Mapping

import trio

from crdt.standing import Pair
from identity.encoding import Value
from mesh.coordination.enrolment import put_body
from mesh.node.artefacts_asked import read_artifact, release_in, view_of
from mesh.node.blobstore_errors import BlobStoreError
from mesh.node.clock_doubts import ALONE, HeardClock, doubt_of
from mesh.node.control import ControlError, Verb
from mesh.node.shelf import Shelf
from mesh.node.shell import read_clocks
from mesh.node.signer import Signer, signed_last
from mesh.orchestration.applying import Plan, plan_rollout
from mesh.orchestration.command import Verb as CommandVerb
from mesh.orchestration.command import command_key
from mesh.orchestration.commanding import plan_command
from mesh.orchestration.describing import (
    Watch,
    describe_box,
    describe_change,
    describe_rollout,
    list_rollouts,
)
from mesh.orchestration.errors import CannotApplyError, OrchestrationError
from mesh.orchestration.intent import NONCE_SIZE
from mesh.orchestration.standpoint import Standpoint, find_rollout, short
from mesh.orchestration.wish import parse_wish

__all__ = ["rollout_verbs"]

Look = Callable[[], Watch | None]
"""Returns what a running node sees and remembers; None where nobody looks."""


def rollout_verbs(
    signer: Signer,
    shelf: Shelf,
    look: Look = lambda: None,
    *,
    hear_clock: Callable[[], HeardClock] = lambda: ALONE,
) -> dict[str, Verb]:
    """Return the verbs apply, rollouts, rollout, command and explain, served by a signer.

    The requests:

        {do: "apply", wish, artifact?: path, dry?: bool}
        {do: "rollouts"}                                {do: "rollout", name}
        {do: "command", name, command, share?: ppm}     {do: "explain", box}

    Args:
        signer: a view and something that writes.
        shelf: where the bytes lie.
        look: what a running node sees.
        hear_clock: what its neighbours' clocks say.
    """
    desk = _Desk(signer, shelf, look, hear_clock)
    verbs = {
        "apply": desk.apply,
        "rollouts": desk.rollouts,
        "rollout": desk.rollout,
        "command": desk.command,
        "explain": desk.explain,
    }
    return {name: _speaking(verb) for name, verb in verbs.items()}


def _speaking(verb: Verb) -> Verb:
    """Return a verb whose refusals are those of the console."""

    async def answer(request: Mapping[str, Value]) -> Mapping[str, object]:
        try:
            return await verb(request)
        except (OrchestrationError, BlobStoreError) as error:
            raise ControlError(str(error)) from None

    return answer


class _Desk:
    """Answers, by one signer."""

    def __init__(
        self, signer: Signer, shelf: Shelf, look: Look, hear_clock: Callable[[], HeardClock]
    ) -> None:
        self._signer = signer
        self._shelf = shelf
        self._look = look
        self._hear_clock = hear_clock

    async def _view(self) -> Standpoint:
        return await view_of(self._signer, self._shelf)

    def _watch(self, view: Standpoint) -> Watch:
        return self._look() or Watch.of_store(view)

    def _clock_notes(self, *, signs: bool) -> list[str]:
        """Return what a person should know of this machine's clock before it signs.

        Raises:
            ControlError: it is wrong, and something would be signed by it.
        """
        own_ms, others_ms = signed_last(self._signer)
        doubt = doubt_of(own_ms, others_ms, read_clocks().wall_ms, self._hear_clock())
        if doubt is not None and doubt.refuses and signs:
            raise ControlError(doubt.text)
        return [] if doubt is None else [doubt.text]

    async def apply(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        wish, dry = parse_wish(request.get("wish")), request.get("dry") is True
        doubts = self._clock_notes(signs=not dry)
        path = request.get("artifact")
        given = path is not None
        data = await (read_artifact(path) if given else self._shelf.load(wish.artefact))
        view = await self._view()
        release = None if data is None else await trio.to_thread.run_sync(release_in, data, path)
        plan = plan_rollout(view, wish, release, secrets.token_bytes(NONCE_SIZE))
        if not dry and not plan.unchanged:
            if data is not None and path is not None:
                await self._shelf.keep(data)
            await self._shelf.keep(plan.listing)
            for key, value in plan.puts:
                await self._signer.write("put", put_body(self._signer.replica, key, value))
            if plan.intent.id not in (await self._view()).rollouts.by_id:
                raise ControlError(
                    f"{plan.intent.title} was signed and does not count: ask a senior"
                )
        return _planned(view, plan, doubts)

    async def rollouts(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        view = await self._view()
        return {"rollouts": list_rollouts(view, self._watch(view))}

    async def rollout(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        view = await self._view()
        rollout = find_rollout(view.rollouts, str(request.get("name")))
        return {"rollout": describe_rollout(rollout, self._watch(view))}

    async def command(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        verb, share = request.get("command"), request.get("share")
        if verb not in tuple(CommandVerb):
            known = ", ".join(CommandVerb)
            raise ControlError(f"command {verb!r:.40}: expected one of {known}")
        doubts = self._clock_notes(signs=True)
        view = await self._view()
        rollout = find_rollout(view.rollouts, str(request.get("name")))
        commands = plan_command(
            view,
            rollout,
            CommandVerb(str(verb)),
            sight=self._watch(view).sight,
            nonce=secrets.token_bytes(NONCE_SIZE),
            share_ppm=share if isinstance(share, int) else None,
        )
        for command in commands:
            key = command_key(rollout.intent.scope, command)
            body = put_body(self._signer.replica, key, command.to_value())
            await self._signer.write("put", body)
        after = (await self._view()).rollouts
        return {
            "title": rollout.intent.title,
            "id": short(rollout.id),
            "lifted": sum(len(each.names) for each in commands if each.verb == "resume"),
            "forgave": sum(len(each.forgives) for each in commands),
            "stage": next((each.stage for each in commands if each.stage is not None), None),
            "state": after.by_id[rollout.id].obstacle or "open",
            "notes": doubts,
            "revived": [
                f"{each.intent.title} ({short(each.id)})"
                for each in after.by_id.values()
                if rollout.id in view.rollouts.by_id[each.id].superseded_by
                and each.dead is None
                and not each.superseded_by
            ],
        }

    async def explain(self, request: Mapping[str, Value]) -> Mapping[str, object]:
        name, view = str(request.get("box")), await self._view()
        pairs = [pair for pair in view.authority.by_name(name) if _stands(view, pair)]
        if not pairs:
            raise CannotApplyError(
                f"nobody holds {name!r:.60}: expected a name of `mesh get nodes`"
            )
        pair, watch = pairs[0], self._look()
        standing = view.authority.standings[pair]
        presence = "" if watch is None else _presence(watch, name)
        return {
            "name": name,
            "state": "current" if standing.current else "not current: it runs nothing for others",
            "presence": presence,
            "slots": describe_box(view, pair, watch or Watch.of_store(view)),
        }


def _stands(view: Standpoint, pair: Pair) -> bool:
    return view.authority.standings[pair].winning


def _presence(watch: Watch, name: str) -> str:
    if name in watch.sight.seen:
        return "seen"
    return "dark" if name in watch.sight.dark else "unknown"


def _planned(view: Standpoint, plan: Plan, doubts: list[str]) -> Mapping[str, object]:
    return {
        "title": plan.intent.title,
        "id": short(plan.intent.id),
        "intent": plan.intent.id,
        "slot": plan.intent.slot,
        "names": len(plan.names),
        "unchanged": plan.unchanged,
        "changes": describe_change(view, plan),
        "notes": [*doubts, *plan.notes],
    }
