"""Rules on a past decision once more: what they said then, and whether they come to the same from what was kept."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from rlfa.lineup.voting import Rows
from rlfa.rules.deciding import ACTION_OF, DECIDED, NO_HIT, SUSPENDED, RuleBook, decide_again
from rlfa.rules.ruleset import RuleSet


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What the user's rules had to say, then and now."""

    rules: str
    """Id of the set in the ledger's epoch."""
    hits: tuple[str, ...]
    """Rules that hit, as recorded, in the order in which they may decide."""
    suspended: tuple[str, ...] = ()
    """Of them those that had declined as many payments that day as they may."""
    decided_by: str = ""
    """The rule that decided; empty: the lineup did."""
    reason: str = ""
    """What that rule says."""
    repeats: bool
    """Whether the same rules come out from what was kept."""


def ruling_of(
    row: Mapping[str, object], recorded: Mapping[str, np.float32], rows: Rows, score: float, rules: RuleSet
) -> Ruling | None:
    """The recorded verdicts beside those that the same rules come to now; the action has to be the deciding rule's.

    Args:
        row: of the outcome log or the journal.
        recorded: its verdicts by rule, NaN where the row has none.
        rows: the same one, as a lineup sees it.
        score: the lineup's, as recorded.
        rules: of the epoch.

    Returns:
        None where no rules acted.
    """
    sequence = rules.sequence
    then = np.nan_to_num(np.array([recorded.get(rule.name, np.float32(0)) for rule in sequence], np.float32))
    others = {name for name, verdict in recorded.items() if verdict > NO_HIT} - set(rules.names)
    if not sequence and not others:
        return None
    hits = RuleBook.of(rules, rows.fields).hits(rows, np.array([score]))[0]
    again = decide_again(rules, hits, then == SUSPENDED)
    deciding = next((rule for rule, verdict in zip(sequence, again, strict=True) if verdict == DECIDED), None)
    passed = bool(row["explored"])
    as_ruled = deciding is None or passed or ACTION_OF[deciding.action] == int(str(row["action"]))
    return Ruling(
        rules=rules.id if sequence else "",
        hits=tuple(rule.name for rule, verdict in zip(sequence, then, strict=True) if verdict > NO_HIT),
        suspended=tuple(rule.name for rule, verdict in zip(sequence, then, strict=True) if verdict == SUSPENDED),
        decided_by=deciding.name if deciding else "",
        reason=deciding.reason if deciding else "",
        repeats=not others and bool((again == then).all()) and as_ruled,
    )
