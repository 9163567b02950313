"""Decisions from columns read as the contract's struct does."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from streams.decisions import SILENT, Decision, Reason, RuleReason, encode_decisions

WHY = [Reason("amount", 12.5, 0.75, "amount 12.50"), Reason("country", "DE", 0.5), Reason("age", None, 0.25)]


@pytest.mark.parametrize("speakers", [[[0, 2]] * 4, [[0, 2], [1, 2], [0, SILENT], [SILENT, SILENT]]])
def test_a_batch_has_the_bytes_of_its_decisions(speakers: list[list[int]]) -> None:
    agents, votes = ("a-1", 'odd "id"', "third"), np.random.default_rng(0).random((4, 2))
    said = np.array(speakers, np.intp)
    columns = {"score": np.array([0.5, 1e-7, 0.25, 1 / 3]), "propensity": np.array([1.0, 0.01, 0.99, 1.0])}
    columns |= {"priority": np.array([1.5, 0.0, 0.0, 0.2])}
    flags = {"degraded": np.array([False, False, True, True]), "over_budget": np.array([False, True, False, False])}
    ids, actions, times = ["t1", 't"2', "tü3", "t4"], ["review", "approve", "approve", "decline"], np.arange(4) + 10**12
    reasons = {0: WHY, 3: WHY[:1]}
    rules = {1: (RuleReason("list", "is on it"), ["list", "dry"]), 2: (None, ["dry"])}
    values = encode_decisions(
        tx_id=ids,
        action=actions,
        reasons=reasons,
        epoch=7,
        agents=agents,
        speakers=said,
        votes=votes,
        event_time=times,
        decided_at=5,
        rules=rules,
        **columns,
        **flags,
    )
    for i, value in enumerate(values):
        wanted = Decision(
            tx_id=ids[i],
            action=actions[i],
            reasons=reasons.get(i, []),
            epoch=7,
            agents={agents[k]: votes[i, j].item() for j, k in enumerate(speakers[i]) if k != SILENT},
            event_time=int(times[i]),
            decided_at=5,
            rule=rules.get(i, (None, []))[0],
            rule_hits=rules.get(i, (None, []))[1],
            **{name: column[i].item() for name, column in (columns | flags).items()},
        )
        assert value == msgspec.json.encode(wanted)
        assert msgspec.json.decode(value, type=Decision) == wanted
