"""A rules file to a rule set: checked against the stream, its lists hashed as the codec hashes records."""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path

import msgspec
import numpy as np

from agents.errors import ExpressionError
from agents.expressions import Condition, Fields, condition
from rlfa.rules.ruleset import ORDER, VALUES_MAX, KeyList, ListFile, Rule, RuleError, RuleFile, RuleSet
from streams.cards import card_token, find_card_number, masked
from streams.codec import categories, feature_of
from streams.keys import category_codes, entity_key
from streams.spec import StreamSpec

LINEUP_SCORE = "lineup_score"  # what a rule after the lineup may look at
_TOKEN = re.compile(r"[0-9a-f]{64}")


def read_rules(path: Path, spec: StreamSpec, fields: Fields) -> RuleSet:
    """Read a rules file and the lists that it names.

    Args:
        path: TOML.
        spec: of the stream.
        fields: that conditions may name: the columns of the stream's feature matrix.

    Raises:
        RuleError: naming the rule or list, what was found and what is allowed.
    """
    return rules_of(_text(path, "a readable TOML file"), spec, fields, where=path.name, folder=path.parent)


def rules_of(text: str, spec: StreamSpec, fields: Fields, *, where: str, folder: Path) -> RuleSet:
    """TOML to a rule set.

    Args:
        text: of the file.
        spec: of the stream.
        fields: that conditions may name.
        where: for errors.
        folder: that lists' files are relative to.

    Raises:
        RuleError: naming the rule or list, what was found and what is allowed.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(where, masked(str(error)), "TOML") from error
    try:
        written = msgspec.convert(document, RuleFile)
    except msgspec.ValidationError as error:
        raise _readable(error, document, where) from error
    if sorted(written.order) != sorted(ORDER):
        raise RuleError(f"{where} order", written.order, f"each of {', '.join(ORDER)} once")
    lists = {
        name: _keys(written_list, spec, f"{where} list {masked(name)!r}", folder)
        for name, written_list in written.lists.items()
    }
    made = RuleSet(order=written.order, lists=lists, rules=written.rules)
    check(made, fields, where)
    return made


def check(rules: RuleSet, fields: Fields, where: str) -> None:
    """Refuse a rule set that means nothing on a stream.

    Raises:
        RuleError: naming the rule, what was found and what is allowed.
    """
    seen = set[str]()
    for rule in rules.rules:
        place = f"{where} rule {rule.name!r}"
        if rule.name in seen:
            raise RuleError(place, "a second rule of this name", "each name once")
        seen.add(rule.name)
        if not rule.when and not rule.in_list:
            raise RuleError(place, "neither when nor list", "a condition, a list, or both: it would hit everything")
        if rule.in_list and rule.in_list not in rules.lists:
            raise RuleError(f"{place} list", rule.in_list, f"one of the lists {', '.join(rules.lists) or '(none)'}")
        for key, text in (("when", rule.when), ("why", rule.why)):
            if find_card_number(text):
                raise RuleError(f"{place} {key}", masked(text), "no card number; a list takes its token")
        read_condition(rule, fields, place)


def read_condition(rule: Rule, fields: Fields, place: str) -> Condition | None:
    """A rule's condition; None where it has only a list.

    Raises:
        RuleError: the condition means nothing on these fields.
    """
    if not rule.when:
        return None
    try:
        return condition(rule.when, fields_for(rule, fields), category_codes)
    except ExpressionError as error:
        _, found, allowed = error.args
        if found == LINEUP_SCORE:
            allowed = 'a rule with stage = "after": before the lineup there is no score'
        raise RuleError(f"{place} when", found, allowed) from error


def fields_for(rule: Rule, fields: Fields) -> Fields:
    """What a rule may look at."""
    if rule.stage == "before" or LINEUP_SCORE in fields.names:
        return fields
    return Fields((*fields.names, LINEUP_SCORE), fields.categorical)


def _keys(written: ListFile, spec: StreamSpec, where: str, folder: Path) -> KeyList:
    """A list's values as records of the stream would have them; no value is ever part of a message."""
    values = list(written.values)
    if written.file:
        lines = (line.strip() for line in _text(folder / written.file, "a readable file", where).splitlines())
        values += [line for line in lines if line and not line.startswith("#")]
    if not 1 <= len(values) <= VALUES_MAX:
        raise RuleError(where, f"{len(values)} values", f"1 to {VALUES_MAX:,}, in values or in a file")
    texts = {feature_of(name): name for name in categories(spec)}
    if written.field in spec.entities:
        field, is_entity = spec.entities[written.field], True
    elif written.field in texts:
        field, is_entity = texts[written.field], False
    else:
        raise RuleError(f"{where} field", written.field, f"one of {', '.join((*spec.entities, *texts))}")
    if field in spec.card_numbers:
        key = spec.hmac_key() or b""
        values = [value if _TOKEN.fullmatch(value) else card_token(value, key) for value in values]
    elif any(find_card_number(value) for value in values):
        raise RuleError(where, "a card number", f"none: {field} isn't among the stream's card_numbers")
    keys = map(entity_key, values) if is_entity else category_codes(values).astype(np.int64).tolist()
    return KeyList(field=written.field, is_entity=is_entity, keys=tuple(sorted(set(keys))))


def _text(path: Path, allowed: str, where: str = "") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{where} file".strip() if where else "rules", path.name, allowed) from error


def _readable(error: msgspec.ValidationError, document: dict[str, object], where: str) -> RuleError:
    """The validator says what it expected and at which path; our line names the rule, the key, found and allowed."""
    match = re.match(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?$", str(error))
    assert match is not None
    what, steps = match["what"], re.findall(r"[^.\[\]]+", match["path"] or "")
    unknown = re.match(r"Object (?P<how>contains unknown|missing required) field `(?P<name>.*)`", what)
    kinds: dict[str, type[msgspec.Struct]] = {"rules": Rule, "lists": ListFile}
    kind = kinds.get(steps[0] if steps else "", RuleFile)
    if unknown and unknown["how"] == "contains unknown":
        steps.append(unknown["name"])
        allowed = f"one of the keys {', '.join(kind.__struct_encode_fields__)}"
    elif unknown:
        steps.append(unknown["name"])
        allowed = "this key has to be there"
    else:
        allowed = re.sub(r"^Expected `?(.*?)`?(?:, got .*)?$", r"\1", what).replace("`", "")
    found, named = _at(document, steps)
    options = typing.get_args(typing.get_type_hints(kind).get(steps[-1])) if steps else ()
    if options and all(isinstance(option, str) for option in options):
        allowed = ", ".join(options)
    shown = masked(found) if isinstance(found, str) else found
    return RuleError(f"{where} {named}".strip(), "a value" if steps[:1] == ["lists"] else shown, allowed)


def _at(document: object, steps: list[str]) -> tuple[object, str]:
    """What a document has at a path, and the path as people read it: rules by their names."""
    named = list[str]()
    for step in steps:
        if isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
            own = document.get("name") if isinstance(document, dict) else None
            named[-1] = f"rule {masked(str(own))!r}" if own else f"rule {int(step) + 1}"
        else:
            document = document.get(step) if isinstance(document, dict) else None
            named.append(step)
    return document, " ".join(named)
