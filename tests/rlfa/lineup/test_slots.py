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
    Trial,
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


def trial(name: str, agent: str, share: float = 0.1) -> Trial:
    return Trial(slot=SlotId(name), agent=AgentId(agent), share=share)


def test_those_on_trial_score_after_the_incumbents_and_before_the_shadows() -> None:
    shadows = (Shadow(slot=SlotId("a"), agent=AgentId("old")),)
    lineup = Lineup(epoch=Epoch(1), slots=(slot("a", "x"),), shadows=shadows, trials=(trial("a", "new"),))
    assert lineup.agents == ("x", "new", "old")
    assert lineup.deciders == ("x", "new")
    assert lineup.places == (("a", "x"), ("a", "new"), ("a", "old"))


@pytest.mark.parametrize(
    "trials",
    [(trial("a", "x"),), (trial("a", "old"),), (trial("b", "new"),), (trial("a", "new", 0.0),), (trial("a", "n"),) * 2],
    ids=["an incumbent", "a shadow", "no slot of the lineup", "no share", "twice"],
)
def test_a_trial_that_cannot_be_is_refused(trials: tuple[Trial, ...]) -> None:
    with pytest.raises(LineupError, match=r"lineup trials: found .* allowed:"):
        Lineup(
            epoch=Epoch(1),
            slots=(slot("a", "x"),),
            shadows=(Shadow(slot=SlotId("a"), agent=AgentId("old")),),
            trials=trials,
        )


def test_a_lineup_that_plays_only_segments_is_refused() -> None:
    part = Slot(id=SlotId("a"), incumbent=AgentId("x"), segment="amount > 100")
    with pytest.raises(LineupError, match="a slot that plays everything"):
        Lineup(epoch=Epoch(1), slots=(part,))
