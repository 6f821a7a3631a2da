"""A fleet by hand, each command a process: founded, granted, joined, run, looked at, revoked."""

import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio
import trio.testing

from mesh.node.control import ask
from tests.live.cli_processes import mesh, running

DIGEST = "sha256:" + "a1" * 32
SPARE = ("-o", "spare.invite")
CENTRE = ("-c", "fleet/authority.toml")
AGREE_S = 30
PAUSE_S = 0.2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def shown_of_b(home: Path, **wanted: str) -> None:
    """Wait until box a shows box b so."""
    with trio.fail_after(AGREE_S):
        while True:
            rows: Any = (await ask(home / "a.toml", {"do": "nodes"}))["nodes"]
            b = next((row for row in rows if row["name"] == "north/b"), {})
            if all(b.get(field) == value for field, value in wanted.items()):
                return
            await trio.testing.wait_all_tasks_blocked(PAUSE_S)


async def test_from_the_first_key_to_a_swap_and_a_revocation(tmp_path: Path):
    listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
    await mesh(tmp_path, "authority", "init", "fleet", "--listen", listen)
    async with AsyncExitStack() as stack:
        start = ("authority", "run", "fleet/authority.toml")
        nodes = [await stack.enter_async_context(running(tmp_path, *start))]
        await nodes[0].says("Ctrl-C ends it")
        for number, name in enumerate("ab"):
            did = (await mesh(tmp_path, "box", "init", f"{name}.toml")).strip()
            place = ("--name", f"north/{name}", "--place", f"48.137,11.57{number}")
            told = await mesh(tmp_path, "authority", "grant", did, *CENTRE, *place)
            assert "signed by the running node" in told
            await mesh(tmp_path, "box", "join", f"north-{name}.invite", "-c", f"{name}.toml")
            start = ("box", "run", f"{name}.toml", "--model", DIGEST)
            nodes.append(await stack.enter_async_context(running(tmp_path, *start)))
        await mesh(tmp_path, "authority", "approve-model", DIGEST, *CENTRE, "--name", "eye")
        for node in nodes[1:]:
            await node.says("Ctrl-C ends it")
        await shown_of_b(tmp_path, presence="seen")
        listed = await mesh(tmp_path, "get", "nodes", "-c", "a.toml", "-o", "json")
        found = {row["name"]: row for row in json.loads(listed)}
        assert found["north/a"]["presence"] == "self"
        assert found["north/a"]["models"] == [{"digest": "a1" * 32, "name": "eye"}]
        counted = await mesh(tmp_path, "get", "counters", "-c", "a.toml")
        assert "links.member" in counted
        counted = await mesh(tmp_path, "get", "counters", "-c", "a.toml", "-o", "json")
        assert json.loads(counted)["events.refused.stale"] == 0
        did = (await mesh(tmp_path, "box", "init", "spare.toml")).strip()
        await mesh(tmp_path, "authority", "grant", did, *CENTRE, "--name", "north/b", *SPARE)
        told = await nodes[2].says("refused everywhere")
        assert f"north/b was given to other hardware, {did} (epoch 2), by centre (at " in told
        listed = await mesh(tmp_path, "get", "nodes", "-c", "b.toml")
        assert f"warning: {told.removeprefix('mesh.node: ')}" in listed
        await mesh(tmp_path, "authority", "revoke", "north/b", *CENTRE)
        await shown_of_b(tmp_path, state="revoked", presence="")
        assert [await node.interrupt() for node in nodes] == [0, 0, 0]
    assert [len(node.said.splitlines()) for node in nodes] == [1, 1, 2], nodes[2].said
    listed = await mesh(tmp_path, "get", "nodes", "-c", "a.toml")
    assert "revoked" in listed
    assert not (tmp_path / "a.sock").exists()


async def test_a_port_in_use_and_a_node_that_runs_already_cost_one_line(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
        await mesh(tmp_path, "authority", "init", "fleet", "--listen", listen)
        said = await mesh(tmp_path, "authority", "run", "fleet/authority.toml", code=2)
        assert said.startswith(f"mesh: cannot listen on {listen}")
        assert "it stands in `listen` of fleet/authority.toml" in said
        assert said.count("\n") == 1
    async with running(tmp_path, "authority", "run", "fleet/authority.toml") as centre:
        await centre.says("Ctrl-C ends it")
        said = await mesh(tmp_path, "authority", "run", "fleet/authority.toml", code=2)
        assert "another process has it open" in said
        assert said.count("\n") == 1
        assert await centre.interrupt() == 0
