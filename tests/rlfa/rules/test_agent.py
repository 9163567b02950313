"""A rule set as a genome: its conditions over numbers, and what an agent can't see refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from agents.expressions import Fields
from agents.rule_features import seen
from rlfa.rules.agent import genome_of
from rlfa.rules.deciding import RuleBook
from rlfa.rules.ruleset import RuleError
from tests.rlfa.rules.builders import FIELDS, rows, rules

TEXT = """
[lists.remote]
field = "channel"
values = ["ecom", "moto"]
[lists.known]
field = "customer"
values = ["ann"]
[[rules]]
name = "big"
action = "decline"
when = "amount > 100 or age is missing"
[[rules]]
name = "remote"
action = "review"
list = "remote"
when = 'channel != "moto" and amount > 10'
[[rules]]
name = "odd"
action = "allow"
when = "channel is missing"
"""


def test_its_inputs_are_the_hits_of_its_rules() -> None:
    made = rules(TEXT)
    genome = genome_of(made, FIELDS)
    assert (genome.rules_only, genome.expert, genome.experts, len(genome.rules)) == (True, "logistic", 1, 3)
    some = rows([5, 20, 20, 200, 50], channel=["ecom", "ecom", "moto", None, "pos"], age=[30, 30, 30, 30, np.nan])
    hits = RuleBook.of(made, FIELDS).hits(some, np.full(5, np.nan))
    np.testing.assert_array_equal(seen(genome, FIELDS.names, some.features), hits.astype(np.float32))
    assert hits.any(axis=0).all()
    assert not hits.all(axis=0).any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[[rules]]\nname = "k"\naction = "allow"\nlist = "known"\n', "rule 'k' list: found 'a list of the entity"),
        ('[[rules]]\nname = "s"\naction = "allow"\nstage = "after"\nwhen = "lineup_score > 0.5"\n', "rule 's' when"),
        (
            '[lists.long]\nfield = "channel"\nvalues = [' + ", ".join(f'"{i}"' for i in range(90)) + ']\n'
            '[[rules]]\nname = "l"\naction = "allow"\nlist = "long"\n',
            "rule 'l': found",
        ),
    ],
)  # fmt: skip
def test_what_an_agent_cannot_see_is_refused_by_name(more: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        genome_of(rules(TEXT + more), FIELDS)
    with pytest.raises(RuleError, match="found 'no rule'"):
        genome_of(rules(""), Fields((), frozenset()))
