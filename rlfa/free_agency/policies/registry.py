"""From the name in the settings to the policy that plays."""

from __future__ import annotations

from collections.abc import Callable

from rlfa.errors import ConfigError
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.policies.learned import Learned, shipped
from rlfa.free_agency.policies.policy import Policy
from rlfa.free_agency.policies.threshold import Threshold
from rlfa.free_agency.rules import FreeAgencyRules

MAKERS: dict[str, Callable[[FreeAgencyRules], Policy]] = {
    "bandit": lambda rules: Bandit(others=rules.scout.candidates - 1),
    "learned": lambda rules: Learned(shipped()),  # noqa: ARG005  # what may be tried, the settings limit anyway
    "threshold": lambda rules: Threshold(others=rules.scout.candidates - 1),
}


def policy_of(rules: FreeAgencyRules) -> Policy:
    """The policy that the settings name.

    Raises:
        ConfigError: this version ships no such policy.
        PolicyError: the learned policy's file is damaged.
    """
    maker = MAKERS.get(rules.policy)
    if maker is None:
        raise ConfigError("free_agency.policy", rules.policy, f"one of {sorted(MAKERS)}")
    return maker(rules)
