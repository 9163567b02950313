"""Who votes where: segments, and a challenger's small share."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlfa.lineup.draws import uniform
from rlfa.lineup.segments import Fields
from rlfa.lineup.slots import AgentId, Epoch, Lineup, Shadow, Slot, SlotId, Trial
from rlfa.lineup.voting import NOBODY, Rows, drawn, voted, voters, votes, weights

A, B, NEW, NEWER, SHADOW = (AgentId(a) for a in ("a", "b", "new", "newer", "shadow"))
ALL, LARGE = SlotId("all"), SlotId("large")


def lineup(*trials: Trial, segment: str = "amount > 100") -> Lineup:
    return Lineup(
        epoch=Epoch(3),
        slots=(Slot(id=ALL, incumbent=A, weight=0.25), Slot(id=LARGE, incumbent=B, weight=0.75, segment=segment)),
        shadows=(Shadow(slot=ALL, agent=SHADOW),),
        trials=trials,
    )


def trial(agent: AgentId = NEW, slot: SlotId = ALL, share: float = 0.1) -> Trial:
    return Trial(slot=slot, agent=agent, share=share)


def rows(n: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    amount = rng.uniform(0, 200, n)
    return Rows(
        tx_hash=rng.integers(1, 2**63, n, dtype=np.uint64),
        event_time=np.arange(n),
        amount=amount,
        features=amount[:, None].astype(np.float32),
        fields=Fields(("amount",), frozenset()),
    )


def scored(lineup: Lineup, n: int) -> np.ndarray:
    return np.tile(np.arange(len(lineup.agents), dtype=np.float32), (n, 1))


def test_without_segments_and_trials_the_incumbents_vote() -> None:
    plain = lineup(segment="")
    chosen = voters(plain, rows(20), scored(plain, 20))
    assert chosen.tolist() == [[0, 1]] * 20
    assert (weights(plain, chosen) == [0.25, 0.75]).all()


def test_a_slot_votes_on_its_segment_only() -> None:
    day = rows(200)
    chosen = voters(lineup(), day, scored(lineup(), 200))
    large = day.amount > 100
    assert (chosen[large] == [0, 1]).all()
    assert (chosen[~large] == [0, NOBODY]).all()
    assert np.isnan(votes(scored(lineup(), 200), chosen)[~large, 1]).all()
    assert (weights(lineup(), chosen)[:, 1] == np.where(large, 0.75, 0.0)).all()


def test_a_challenger_on_trial_votes_in_place_of_the_incumbent_on_its_share() -> None:
    tried = lineup(trial(share=0.1))
    day = rows(20_000)
    chosen = voters(tried, day, scored(tried, 20_000))
    mine = chosen[:, 0] == tried.agents.index(NEW)
    assert 0.09 < mine.mean() < 0.11
    assert (chosen[~mine, 0] == 0).all()
    took_part = voted(scored(tried, 20_000), chosen)
    assert (took_part.sum(axis=1) == (chosen != NOBODY).sum(axis=1)).all()
    assert (took_part[:, tried.agents.index(NEW)] == mine).all()
    assert not took_part[:, tried.agents.index(SHADOW)].any()


def test_the_incumbent_votes_where_the_challenger_has_no_score() -> None:
    tried = lineup(trial(share=1.0))
    logits = scored(tried, 50)
    logits[:20, tried.agents.index(NEW)] = np.nan
    chosen = voters(tried, rows(50), logits)
    assert (chosen[:20, 0] == 0).all()
    assert (chosen[20:, 0] == tried.agents.index(NEW)).all()


def test_a_trial_in_a_segment_stays_within_it() -> None:
    tried = lineup(trial(slot=LARGE, share=1.0))
    day = rows(300)
    chosen = voters(tried, day, scored(tried, 300))
    assert (chosen[:, 1] == np.where(day.amount > 100, tried.agents.index(NEW), NOBODY)).all()


def test_of_two_that_were_drawn_the_one_that_began_first_votes() -> None:
    first, second = trial(share=0.5), trial(NEWER, share=0.5)
    tried = lineup(first, second)
    day = rows(1000)
    chosen = voters(tried, day, scored(tried, 1000))[:, 0]
    assert (chosen[drawn(first, day.tx_hash)] == tried.agents.index(NEW)).all()
    rest = drawn(second, day.tx_hash) & ~drawn(first, day.tx_hash)
    assert rest.any()
    assert (chosen[rest] == tried.agents.index(NEWER)).all()


@given(cut=st.integers(0, 60), seed=st.integers(0, 99))
def test_a_replay_in_other_batches_draws_the_same_rows(cut: int, seed: int) -> None:
    hashes = rows(60, seed).tx_hash
    whole = drawn(trial(share=0.4), hashes)
    parts = [drawn(trial(share=0.4), part) for part in (hashes[:cut], hashes[cut:])]
    assert np.concatenate(parts).tolist() == whole.tolist()


def test_draws_are_even_and_independent_of_each_other() -> None:
    hashes = np.arange(1, 40_001, dtype=np.uint64)
    one, other = uniform(hashes, "one"), uniform(hashes, "other")
    counts = np.histogram(one, bins=20, range=(0, 1))[0]
    assert (abs(counts - 2000) < 200).all()  # 4.6 standard deviations
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
