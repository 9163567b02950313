"""A rule set as an agent of the roster: a genome whose only inputs are its rules' hits, weighed by history."""

from __future__ import annotations

from agents.errors import ExpressionError
from agents.expressions import FIELD, Fields, coded, names_in
from agents.genome import Genome
from rlfa.rules.reading import LINEUP_SCORE
from rlfa.rules.ruleset import Rule, RuleError, RuleSet
from streams.keys import category_codes


def genome_of(rules: RuleSet, fields: Fields) -> Genome:
    """The recipe of an agent that knows nothing but which rules hit; trained like any other, on any window.

    Whatever a rule does or when it acts, only where it hits counts: the weights are learnt.

    Args:
        rules: at least one, over fields and features alone.
        fields: of the stream's feature matrix.

    Raises:
        RuleError: a rule that an agent can't see the ground of, by name.
    """
    if not rules.rules:
        raise RuleError("rules", "no rule", "one at least")
    hits = tuple(dict.fromkeys(_over_numbers(rule, rules, fields) for rule in rules.sequence))
    return Genome(
        rules=hits,
        rules_only=True,
        expert="logistic",
        experts=1,
        bins=2,
        learning_rate=0.02,
        weight_decay=0.0,
        epochs_max=40,
    )


def _over_numbers(rule: Rule, rules: RuleSet, fields: Fields) -> str:
    where = f"rule {rule.name!r}"
    parts = list[str]()
    if rule.in_list:
        listed = rules.lists[rule.in_list]
        if listed.is_entity:
            allowed = "a condition or a list of a category: an agent sees features, and ids aren't among them"
            raise RuleError(f"{where} list", f"a list of the entity {listed.field}", allowed)
        parts.append(f'{FIELD}["{listed.field}"] in [{", ".join(map(str, listed.keys))}]')
    if rule.when:
        if LINEUP_SCORE in names_in(rule.when):
            raise RuleError(f"{where} when", LINEUP_SCORE, "fields and features: an agent sees nobody else's score")
        parts.append(coded(rule.when, fields, category_codes))
    text = " and ".join(f"({part})" for part in parts)
    try:
        names_in(text)
    except ExpressionError as error:
        raise RuleError(where, f"{len(text)} characters, with categories as codes", error.args[2]) from error
    return text
