"""A lineup that can't play doesn't come into being."""

import pytest

from rlfa.lineup.slots import (
    AgentId,
    Day,
    Epoch,
    EventTime,
    Lineup,
    LineupError,
    Shadow,
    Slot,
    SlotId,
    day_of,
)


def slot(name: str, agent: str, weight: float = 1.0) -> Slot:
    return Slot(id=SlotId(name), incumbent=AgentId(agent), weight=weight)


def test_incumbents_score_first_and_everyone_once() -> None:
    shadows = (Shadow(slot=SlotId("a"), agent=AgentId("new")), Shadow(slot=SlotId("b"), agent=AgentId("new")))
    lineup = Lineup(epoch=Epoch(1), slots=(slot("a", "x"), slot("b", "y")), shadows=shadows)
    assert lineup.agents == ("x", "y", "new")
    assert lineup.incumbents == ("x", "y")


@pytest.mark.parametrize(
    "slots",
    [(), (slot("a", "x"), slot("a", "y")), (slot("a", "x"), slot("b", "x")), (slot("a", "x", 0.0),)],
    ids=["no slot", "a slot twice", "an agent twice", "no weight"],
)
def test_lineup_that_cannot_play_is_refused(slots: tuple[Slot, ...]) -> None:
    with pytest.raises(LineupError, match=r"found .* allowed:"):
        Lineup(epoch=Epoch(1), slots=slots)


def test_incumbent_cannot_be_a_shadow() -> None:
    with pytest.raises(LineupError, match="agents that hold no slot"):
        Lineup(epoch=Epoch(1), slots=(slot("a", "x"),), shadows=(Shadow(slot=SlotId("a"), agent=AgentId("x")),))


def test_day_of_a_time_before_1970_is_negative() -> None:
    assert day_of(EventTime(-1)) == Day(-1)
    assert day_of(EventTime(86_400_000)) == Day(1)
