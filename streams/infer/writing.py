"""A proposal as TOML: each key under a comment that says why."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

import msgspec

from streams.infer.proposal import Proposal
from streams.spec import StreamSpec, parse_spec

WIDTH = 118
KEY_ENV = "RLFA_CARD_KEY"
COARSE_WINDOWS = ("1d", "7d", "30d")
WITHOUT_AMOUNTS = ("count", "since_last", "delayed_count", "fraud_share")


def toml_of(proposal: Proposal) -> str:
    """The spec, checked to be one."""
    text = "\n".join([*_head(proposal), *_identity(proposal), *_features(proposal), *_tables(proposal)]) + "\n"
    spec: StreamSpec = parse_spec(text, proposal.where, needs_key=False)
    assert spec.table.label == proposal.truth.column.name
    return text


def _head(p: Proposal) -> list[str]:
    judged = "" if p.sampled == p.rows else f" Columns were judged by {p.sampled:,} rows, spread over the table."
    return _comment(
        f"Proposed by `rlfa spec infer` from {p.where}, {p.rows:,} rows.{judged} A reason stands above each choice; "
        "change what you know better."
    )


def _identity(p: Proposal) -> list[str]:
    fields, reasons = p.fields, p.fields.reasons
    amount = [f"amount = {_text(fields.amount)}"]
    if fields.amount_divisor != 1:
        amount.append(f"amount_divisor = {fields.amount_divisor:g}")
    time = [f"event_time = {_text(p.clock.name)}"]
    if p.clock.name and not p.clock.table.time_every:
        time.append(f"event_time_unit = {_text(p.clock.unit)}")
    if not p.clock.has_calendar:
        time.append("calendar = false")
    gap = [] if p.ahead_max == "7d" else [
        *_comment(f"the longest time without a row is {p.clock.gap_days:.1f} days"), f'ahead_max = "{p.ahead_max}"'
    ]  # fmt: skip
    return [
        "", *_comment(reasons["tx_id"]), f"tx_id = {_text(fields.tx_id)}",
        "", *_comment(f"{p.clock.reason}; {p.clock.days:,.0f} days"), *time, *gap,
        "", *_comment(reasons["amount"]), *amount,
    ]  # fmt: skip


def _features(p: Proposal) -> list[str]:
    fields = p.fields
    lines: list[str] = []
    if fields.categorical:
        lines += [
            "",
            *_comment("texts, flags and codes of few values: each becomes a code"),
            *_list("categorical", fields.categorical),
        ]
    if fields.numeric:
        lines += ["", *_comment("what is counted or measured"), *_list("numeric", fields.numeric)]
    if fields.card_numbers:
        why = "values pass the test of card numbers: each is replaced by a keyed hash, with the key from this variable"
        lines += ["", *_comment(why), *_list("card_numbers", fields.card_numbers), f'hmac_key_env = "{KEY_ENV}"']
    if fields.left_out:
        lines += ["", "# Left out:"]
        lines += [line for name, why in _by_reason(fields.left_out) for line in _comment(f"- {name}: {why}")]
    return lines


def _by_reason(left_out: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Columns of one reason together."""
    names: dict[str, list[str]] = {}
    for name, why in left_out.items():
        names.setdefault(why, []).append(name)
    return ((", ".join(together), why) for why, together in names.items())


def _tables(p: Proposal) -> list[str]:
    fields, table = p.fields, p.truth.table
    lines = ["", *([] if fields.entities else _comment(fields.reasons["entities"])), "[entities]"]
    for slug, name in fields.entities.items():
        lines += [*_comment(fields.reasons[f"entity {slug}"]), f"{slug} = {_text(name)}"]
    lines += ["", "[windows]", *_windows(p)]
    lines += [
        "",
        *_comment(_truth(p)),
        "[table]",
        f"label = {_text(table.label)}",
    ]
    lines += [
        f"{key} = {_texts(values)}" for key, values in (("fraud", table.fraud), ("genuine", table.genuine)) if values
    ]
    clock = p.clock.table
    if clock.time_every:
        lines += [f"time_every = {_text(clock.time_every)}"]
        lines += [*_comment("the table doesn't say when it begins"), f"time_start = {_text(clock.time_start)}"]
    if clock.time_format:
        lines += [f"time_format = {_text(clock.time_format)}"]
    return lines


def _truth(p: Proposal) -> str:
    found = p.truth
    unknown = f", {found.unknown:,} that nobody knows" if found.unknown else ""
    return f"{found.frauds:,} frauds, {found.genuine:,} genuine{unknown}: {found.meaning}"


def _windows(p: Proposal) -> list[str]:
    lines = []
    if p.clock.is_daily:
        lines += [*_comment("nothing is shorter than a day"), f"windows = {_texts(COARSE_WINDOWS)}"]
    lines += _comment("how late a fraud is known is a guess: the table doesn't say")
    lines.append(f"label_delay = {_text(p.label_delay)}")
    if p.fields.entities and not p.fields.amount:
        lines += ["", *_comment("no sums and means without amounts"), "[windows.entities]"]
        lines += [f"{slug} = {_texts(WITHOUT_AMOUNTS)}" for slug in p.fields.entities]
    return lines


def _comment(text: str) -> list[str]:
    plain = re.sub(r"[\x00-\x1f\x7f]", "?", text)  # a column's name may hold anything
    return textwrap.wrap(plain, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _list(key: str, values: Sequence[str]) -> list[str]:
    one = f"{key} = {_texts(values)}"
    if len(one) <= WIDTH:
        return [one]
    # A name is never broken over lines, whatever stands in it.
    lines, line = [], "   "
    for value in map(_text, values):
        if len(line) + len(value) + 2 > WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += f" {value},"
    return [f"{key} = [", *lines, line, "]"]


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for DEL."""
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
