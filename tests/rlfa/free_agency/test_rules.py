"""The rules as a user writes them."""

import msgspec
import pytest

from rlfa.free_agency.rules import FreeAgencyRules


def test_rules_come_from_toml_with_defaults_for_the_rest() -> None:
    text = """
    [costs]
    alert_budget_per_day = 20
    [probation]
    alpha = 0.01
    loss = "brier"
    """
    rules = msgspec.toml.decode(text, type=FreeAgencyRules)
    assert rules.costs.alert_budget_per_day == 20
    assert (rules.probation.alpha, rules.probation.loss, rules.probation.frauds_min) == (0.01, "brier", 30)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[probation]\nalpha = 1.5", r"probation\.alpha"),
        ("[probation]\nalfa = 0.05", "alfa"),
        ("[watch]\npatience = 0", r"watch\.patience"),
        ("[costs]\nrank_by = 'luck'", r"costs\.rank_by"),
    ],
)
def test_value_out_of_bounds_or_unknown_key_is_refused_by_name(text: str, where: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=where):
        msgspec.toml.decode(text, type=FreeAgencyRules)
