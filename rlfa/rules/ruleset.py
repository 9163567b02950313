"""A rule set: what fraud teams write down, as frozen values with an id that is a hash of all of it."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rlfa.errors import QUOTED, NotAllowedError

RuleAction = Literal["allow", "decline", "review"]
RULES_MAX = 256
VALUES_MAX = 1_000_000  # of one list
ORDER: tuple[RuleAction, ...] = ("decline", "allow", "review")


class RuleError(NotAllowedError):
    """A rule or list that the service refuses: where, found, allowed."""

    template = QUOTED


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule: on which payments it acts, and what it does with them."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """Of the rule, once in the set: decisions, the journal and the log name it."""
    action: RuleAction
    """What is done with a payment that it decides; `allow` approves it."""
    stage: Literal["before", "after"] = "before"
    """Whether it acts without the lineup's score, or may look at it as `lineup_score`."""
    when: str = ""
    """Condition over fields and features, e.g. `amount > 220 and terminal_fraud_share_7d > 0.2`."""
    in_list: str = msgspec.field(name="list", default="")
    """Name of a list that the payment's field has to be on; with `when`, both have to hold."""
    mode: Literal["live", "test"] = "live"
    """Whether it decides, or only counts what it would have hit."""
    until: date | None = None
    """The first day, UTC, on which it no longer acts, e.g. `2026-12-31`; none: for ever."""
    declines_per_day_max: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1_000
    """Payments that it may decline in a day of event time before it is suspended for the rest of that day. Several
    lanes share it by their partitions."""
    explore: bool = False
    """Whether exploration may let through what it declines, as it may the lineup's declines."""
    why: Annotated[str, Meta(max_length=500)] = ""
    """For people: stands in every decision that it makes. Its condition where this is empty."""

    @property
    def reason(self) -> str:
        """What its decisions say."""
        condition = " and ".join(part for part in (self.in_list and f"on the list {self.in_list}", self.when) if part)
        return self.why or condition


class ListFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list as it is written: values of one field, here or in a file."""

    field: str
    """An entity of the stream (customer, terminal, card …) or one of its categories."""
    values: tuple[str, ...] = ()
    """The values, here."""
    file: str = ""
    """File with a value a line, relative to this one; empty lines and those that begin with `#` are left out."""


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of a rules file."""

    order: tuple[RuleAction, ...] = ORDER
    """Which action wins where several rules of a stage hit a payment; within an action the rule that stands first."""
    lists: dict[str, ListFile] = {}
    """Lists by name."""
    rules: Annotated[tuple[Rule, ...], Meta(max_length=RULES_MAX)] = ()
    """The rules."""


class KeyList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list as it is kept and compared: hashes only."""

    field: str
    is_entity: bool
    keys: tuple[int, ...]
    """64-bit keys of an entity's ids, or 24-bit codes of a category's texts; ascending."""


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """Rules with their lists, ready to act: what the ledger's epochs name and the lanes play by."""

    order: tuple[RuleAction, ...] = ORDER
    lists: dict[str, KeyList] = {}
    rules: tuple[Rule, ...] = ()

    @cached_property
    def id(self) -> str:
        """Names the set by a hash of all of it: the same rules and lists have the same id everywhere."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()
        return f"rules-{digest[:12]}"

    @property
    def sequence(self) -> tuple[Rule, ...]:
        """The rules in the order in which they may decide: `before`, then `after`; in each by action, then by place."""
        place = {action: i for i, action in enumerate(self.order)}
        return tuple(sorted(self.rules, key=lambda r: (r.stage == "after", place[r.action])))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rules, in the order of `sequence`."""
        return tuple(rule.name for rule in self.sequence)


NO_RULES = RuleSet()
