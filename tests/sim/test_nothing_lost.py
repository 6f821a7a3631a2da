"""NothingLost asks of others only what somebody who is up could have told them."""

from tests.sim.playing import play, scenario


def test_what_only_a_box_that_is_down_holds_is_not_lost():
    """It wrote, and died before it told anybody; it tells once it is up again."""
    written = "run: 1s\nput: {key: limit, value: 30}\ncrash: centre\nrun: 5s\nsettle: 30s\n"
    down = play(scenario(written, "NothingLost"))
    assert down.invariants["NothingLost"].word != "broken", down.sentences
    told = "cut: {side: centre}\nrun: 1s\nput: {key: limit, value: 30}\nrun: 1s\ncrash: centre\n"
    alone = play(scenario(f"{told}heal: all\nsettle: 30s", "NothingLost"))
    assert alone.word == "held", alone.sentences
    back = play(scenario(f"{told}heal: all\nrestart: centre\nsettle: 30s", "NothingLost"))
    assert back.word == "held", back.sentences
