"""A rollout by hand, by way of a running authority: applied, watched by a person, aborted."""

from hashlib import sha256
from pathlib import Path

from tests.live.cli_processes import mesh, running

CENTRE = ("-c", "fleet/authority.toml")
ROLLOUT = """\
apiVersion: mesh/v1
kind: Rollout
metadata: {{name: limits}}
spec:
  artifact: sha256:{digest}
  cohort: {{within: north}}
  stages: [{{percent: 50, soak: 1s}}, {{percent: 100}}]
"""


async def test_a_running_node_signs_and_is_watched(tmp_path: Path):
    listen = ("--listen", "/ip4/127.0.0.1/tcp/0")
    await mesh(tmp_path, "authority", "init", "fleet", *listen)
    (tmp_path / "limits.toml").write_text("most = 3\n")
    await mesh(
        tmp_path,
        "artifact",
        "build",
        "limits.toml",
        "--version",
        "1",
        "--licence",
        "MIT",
        "-o",
        "unsigned",
    )
    await mesh(tmp_path, "artifact", "sign", "unsigned", *CENTRE, "-o", "signed")
    digest = sha256((tmp_path / "signed").read_bytes()).hexdigest()
    (tmp_path / "rollout.yaml").write_text(ROLLOUT.format(digest=digest))
    async with running(tmp_path, "authority", "run", "fleet/authority.toml") as centre:
        await centre.says("Ctrl-C ends it")
        did = (await mesh(tmp_path, "box", "init", "a.toml")).strip()
        place = ("--name", "north/a", "--place", "48.137,11.575")
        await mesh(tmp_path, "authority", "grant", did, *CENTRE, *place)
        apply = ("apply", "-f", "rollout.yaml", *CENTRE)
        assert "give the file with --artifact" in await mesh(tmp_path, *apply, code=2)
        said = await mesh(tmp_path, *apply, "--artifact", "signed")
        assert "rolled out to config/limits of 1 box" in said
        assert "signed by the running node" in said
        assert "unchanged" in await mesh(tmp_path, *apply)
        assert "seen" not in await mesh(tmp_path, "explain", "north/a", *CENTRE)
        watch = ("rollout", "status", "limits", *CENTRE, "-w")
        async with running(tmp_path, *watch) as watching:
            await watching.says("not open")
            await mesh(tmp_path, "rollout", "abort", "limits", *CENTRE)
            await watching.says("limits", within_s=10)
            await watching.says("why:   aborted", within_s=10)
            assert await watching.process.wait() == 1, "it ended before it was complete"
        assert await centre.interrupt() == 0
        assert len(centre.said.splitlines()) == 1, centre.said
