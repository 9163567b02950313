"""A rules file for a service: what its stream and its exploration allow."""

from __future__ import annotations

from pathlib import Path

from agents.expressions import names_in
from rlfa.config import Service
from rlfa.lanes.intake import intake_of
from rlfa.lineup.exploration import ExplorationRules
from rlfa.lineup.segments import fields_of
from rlfa.rules.reading import LINEUP_SCORE, read_rules
from rlfa.rules.ruleset import RuleError, RuleSet


def load_rules(service: Service, path: Path) -> RuleSet:
    """Read a rules file for a service.

    Raises:
        RuleError: naming the rule or list, what was found and what is allowed.
    """
    rules = read_rules(path, service.spec, fields_of(service.spec, intake_of(service).feature_names))
    refuse_hiding(rules, service.settings.free_agency.exploration, path.name)
    return rules


def refuse_hiding(rules: RuleSet, exploration: ExplorationRules, where: str) -> None:
    """Refuse a decline by score that exploration may not touch, where exploration is what agents are judged by.

    A decline that looks at fields alone leaves the same part of the stream unseen for every agent. One by the lineup's
    score would hide the surest catches of those who decide, and every challenger would look better than it is.

    Raises:
        RuleError: naming the rule.
    """
    if not exploration.share or exploration.declined_labels == "all":
        return
    for rule in rules.rules:
        by_score = bool(rule.when) and LINEUP_SCORE in names_in(rule.when)
        if rule.action == "decline" and rule.mode == "live" and by_score and not rule.explore:
            allowed = "true for a decline by lineup_score while free_agency.exploration.share is set"
            raise RuleError(f"{where} rule {rule.name!r} explore", rule.explore, allowed)
