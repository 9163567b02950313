"""The lineup as lanes get it: who plays, and where each agent's weights lie; a file that outlives the manager."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rlfa.errors import RlfaError
from rlfa.hosts.scoring import AgentRef
from rlfa.lineup.slots import Lineup
from rlfa.rules.ruleset import NO_RULES, RuleSet


class PlanError(RlfaError):
    """The lineup's file is missing or unreadable."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A lineup with the weights that it needs."""

    lineup: Lineup
    refs: tuple[AgentRef, ...]
    rules: RuleSet = NO_RULES
    """The set that the lineup names."""


def write_plan(plan: Plan, path: Path) -> None:
    """Replace the file in one step: a lane that starts meanwhile reads the old plan or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(plan))
    partial.replace(path)


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        PlanError: there is none (train the first agents), or it can't be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        raise PlanError(f"{path}: found no lineup ({error}), allowed: the file that `rlfa train` writes") from error
