"""The demo's poisoner sends wrong chunks and nothing else wrong, and who takes one blames it."""

from mesh.demo.boxes.poisoner import poison
from tests.unit.orchestration.blob_world import REFERENCE, Vice, World


def test_who_is_sent_a_wrong_chunk_blames_its_sender_and_takes_the_rest_elsewhere() -> None:
    world = World(1, [Vice.NONE, Vice.NONE, Vice.NONE])
    honest, poisoner, taker = world.boxes
    sent = poison(poisoner.exchange)
    for giver in (honest, poisoner):
        world.give(giver, list(range(REFERENCE.chunks)))
        world.want(giver)
    world.settle()
    world.want(taker)
    world.link(poisoner, taker)
    world.settle()
    assert sent[taker.name] >= 1
    assert "does not hash to its leaf" in taker.blamed[poisoner.name]
    assert taker.completed == []
    world.link(honest, taker)
    world.settle()
    assert taker.completed == [REFERENCE.id]
    assert honest.name not in taker.blamed
    assert set(sent) == {taker.name}
