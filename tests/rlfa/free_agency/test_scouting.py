"""Which genomes a slot tries next."""

from rlfa.free_agency.scouting import SeededScout, Vacancy
from rlfa.lineup.slots import AgentId, Day, SlotId

FAMILIES = ("deep", "moe", "periodic", "wide")


def vacancy(scoutings: int = 0) -> Vacancy:
    return Vacancy(slot=SlotId("s"), incumbent=AgentId("a"), family="moe", day=Day(1), scoutings=scoutings)


def test_incumbents_own_genome_is_always_tried_again() -> None:
    for seed in range(10):
        first, *others = SeededScout(FAMILIES).choose(vacancy(), 3, seed)
        assert (first.family, first.genome_of) == ("moe", "a")
        assert all(p.family != "moe" and not p.genome_of for p in others)


def test_same_seed_chooses_the_same_and_another_seed_another() -> None:
    scout = SeededScout(FAMILIES)
    assert scout.choose(vacancy(), 3, 1) == scout.choose(vacancy(), 3, 1)
    assert len({scout.choose(vacancy(), 3, seed) for seed in range(10)}) > 1


def test_every_family_gets_its_turn() -> None:
    scout = SeededScout(FAMILIES)
    tried = {scout.choose(vacancy(i), 2, seed=5)[1].family for i in range(3)}
    assert tried == {"deep", "periodic", "wide"}


def test_one_family_is_retrained_alone() -> None:
    assert len(SeededScout(("moe",)).choose(vacancy(), 5, 1)) == 1
