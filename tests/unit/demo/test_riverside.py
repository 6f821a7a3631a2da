"""Where the fourth act plays, on any seed: two banks that can each react by themselves."""

import pytest

from mesh.demo.acts.riverside import plan_riverside, reactions_on_bank, riverside
from mesh.demo.city.generator import generate_city
from mesh.demo.scenes.flow import FRAME_S

CUT_S = 12.0
"""Seconds after which a silent link is given up, and its end stated: the scene must fit."""


@pytest.mark.parametrize("seed", [247, 1, 2, 11, 101])
def test_each_bank_has_its_own_chain_and_cameras(seed: int) -> None:
    city = generate_city(seed)
    side = riverside(city)
    banks = (side.near, side.far)
    assert [len(bank) for bank in banks] == [4, 4]
    assert sorted((*side.near, *side.far)) == sorted(side.boxes)
    for bank in banks:
        assert len({city.place(name).bank for name in bank}) == 1
        cameras = [name for name in side.cameras if name in bank]
        assert len(cameras) == 2
        most = max(len(reactions_on_bank(side.city, name)) for name in cameras)
        assert most >= 2
        assert all(
            one.box in bank for name in cameras for one in reactions_on_bank(side.city, name)
        )
    assert side.far[0].partition("-")[0] == city.hero.bank
    assert side.revoked in side.far
    assert side.revoked not in side.cameras
    assert side.bank(side.revoked) == side.far == side.across(side.near[0])


def test_the_scene_follows_from_the_seed_and_fits_into_the_cut() -> None:
    side = riverside(generate_city(247))
    plan = plan_riverside(side, 7)
    assert plan == plan_riverside(side, 7) != plan_riverside(side, 8)
    assert tuple(plan.cameras) == side.cameras
    assert all(len(camera.incidents) == 1 for camera in plan.cameras.values())
    assert plan.frames * FRAME_S < CUT_S
