"""Ask the signals for more red when something happens downstream: near_miss.py BOX.toml."""

import sys

import mesh


@mesh.event("traffic.near_miss")
class NearMiss:
    kind: str
    confidence: float


async def main(config: str) -> None:
    async with (
        mesh.open_node(config) as node,
        node.nearby(NearMiss, within=mesh.km(0.6)) as incidents,
    ):
        print(f"{node.name} listens", flush=True)
        async for seen in incidents:
            if node.place.is_upstream_of(seen.place) and seen.claim():
                print(f"{seen.value.kind} at {seen.place}: 4 s more red, please", flush=True)


mesh.run(main, sys.argv[1])  # as trio.run does, and a mistake ends it with one line
