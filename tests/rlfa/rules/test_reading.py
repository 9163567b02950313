"""A rules file is read whole or refused in one line that names the rule; what it lists never shows in the clear."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rlfa.lineup.exploration import ExplorationRules
from rlfa.rules.loading import refuse_hiding
from rlfa.rules.ruleset import RuleError, RuleSet
from streams.cards import card_token
from streams.keys import category_codes, entity_key
from tests.rlfa.rules.builders import rules, stream

CARD = "4111111111111111"
BIG = """
[[rules]]
name = "big"
action = "decline"
when = "amount > 220"
"""
HOT = """
[lists.hot]
field = "customer"
values = ["bob", "ann", "bob"]
[[rules]]
name = "hot"
action = "review"
list = "hot"
"""


def with_key(line: str) -> str:
    return BIG + line + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = 1", "rules.toml rules: found 1, allowed: array"),
        ("[[rules]", "rules.toml: found \"Expected ']]'"),
        (with_key('mode = "dry"'), "rule 'big' mode: found 'dry', allowed: live, test"),
        (with_key('stage = "later"'), "rule 'big' stage: found 'later', allowed: before, after"),
        (with_key("explore = 1"), "rule 'big' explore: found 1, allowed: bool"),
        (with_key("declines_per_day_max = 0"), "rule 'big' declines_per_day_max: found 0, allowed: int >= 1"),
        (with_key('until = "soon"'), "rule 'big' until: found 'soon', allowed: "),
        (with_key("cap = 3"), "rule 'big' cap: found 3, allowed: one of the keys name, action, stage"),
        (BIG.replace("decline", "block"), "rule 'big' action: found 'block', allowed: allow, decline, review"),
        (BIG.replace('action = "decline"', ""), "rule 'big' action: found None, allowed: allow, decline, review"),
        (BIG.replace('"big"', '"Big one"'), "rule 'Big one' name: found 'Big one', allowed: str matching"),
        (BIG + BIG, "rule 'big': found 'a second rule of this name', allowed: each name once"),
        (BIG.replace("amount", "amuont"), "rule 'big' when: found 'amuont', allowed: one of the fields amount,"),
        (BIG.replace("220", "'a lot'"), "rule 'big' when: found \"amount and 'a lot'\", allowed: a numb"),
        (BIG.replace(" > 220", ""), "rule 'big' when: found 'amount', allowed: comparisons joined by"),
        (BIG.replace("amount > 220", "open('/etc/passwd') == 1"), "when: found \"open('/etc/passwd')\", allow"),
        (BIG.replace("amount > 220", "lineup_score > 0.5"), "found 'lineup_score', allowed: a rule with stage"),
        (BIG.replace('when = "amount > 220"', ""), "rule 'big': found 'neither when nor list', allowed: a cond"),
        (BIG + 'list = "cold"', "rule 'big' list: found 'cold', allowed: one of the lists (none)"),
        (BIG + f'why = "as {CARD} was stolen"', "rule 'big' why: found 'as ************1111 was stolen', allowed: no"),
        ('order = ["allow", "allow", "review"]', "rules.toml order: found ('allow', 'allow', 'review'), allowed"),
        (HOT.replace('"customer"', '"shop"'), "list 'hot' field: found 'shop', allowed: one of customer, card,"),
        (HOT.replace('["bob", "ann", "bob"]', "[]"), "list 'hot': found '0 values', allowed: 1 to"),
        (HOT.replace('"bob", "ann"', "7, 8"), "rules.toml lists values 0: found 'a value', allowed: str"),
        (HOT.replace('"ann"', f'"{CARD}"'), "list 'hot': found 'a card number', allowed: none: customer"),
        (HOT.replace("values", "file = 'gone.txt'\nvalues"), "list 'hot' file: found 'gone.txt', allowed: a readable"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_in_one_line_that_names_the_rule(text: str, message: str) -> None:
    with pytest.raises(RuleError) as refused:
        rules(text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert CARD not in str(refused.value)


def test_lists_hold_the_keys_that_records_have(tmp_path: Path) -> None:
    (tmp_path / "channels.txt").write_text("# how fraud comes in\n\necom\n moto \n")
    made = rules(HOT + '[lists.remote]\nfield = "channel"\nfile = "channels.txt"\n', folder=tmp_path)
    assert made.lists["hot"].keys == tuple(sorted(map(entity_key, ("ann", "bob"))))
    assert made.lists["remote"].keys == tuple(sorted(category_codes(["ecom", "moto"]).astype(int).tolist()))


def test_a_listed_card_is_its_token_and_nothing_shows_the_number(tmp_path: Path) -> None:
    spec = stream(tmp_path)
    token = card_token(CARD, b"a key for tests")
    text = HOT.replace('"customer"', '"card"')
    by_number = rules(text.replace('"bob", "ann", "bob"', f'"{CARD}"'), spec)
    by_token = rules(text.replace('"bob", "ann", "bob"', f'"{token}"'), spec)
    assert by_number == by_token
    assert by_number.lists["hot"].keys == (entity_key(token),)
    assert CARD not in msgspec.json.encode(by_number).decode()
    assert CARD not in repr(by_number)


def test_the_id_is_a_hash_of_everything_and_survives_the_way_to_a_file() -> None:
    one, again = rules(HOT + BIG), rules("# a comment\n" + HOT + BIG)
    assert one.id == again.id
    assert msgspec.json.decode(msgspec.json.encode(one), type=RuleSet).id == one.id
    others = [BIG + HOT, HOT + BIG.replace("220", "221"), HOT.replace("ann", "eve") + BIG, HOT + BIG + 'mode = "test"']
    assert len({one.id, *(rules(text).id for text in others)}) == 5


def test_the_sequence_goes_by_stage_then_by_action_then_by_place() -> None:
    def rule(name: str, action: str, stage: str = "before") -> str:
        when = "amount > 1"
        return f'[[rules]]\nname = "{name}"\naction = "{action}"\nstage = "{stage}"\nwhen = "{when}"\n'

    text = rule("f", "decline", "after") + rule("d", "review") + rule("c", "allow") + rule("a", "decline")
    text += rule("b", "decline")
    assert rules(text).names == ("a", "b", "c", "d", "f")
    assert rules('order = ["allow", "decline", "review"]\n' + text).names == ("c", "a", "b", "d", "f")


def test_a_decline_by_score_that_exploration_may_not_touch_is_refused_where_agents_are_judged_by_exploration() -> None:
    by_score = BIG.replace("amount > 220", "amount > 220 and lineup_score > 0.9") + 'stage = "after"\n'
    exploring = ExplorationRules(share=0.05)
    with pytest.raises(RuleError, match="rule 'big' explore: found False, allowed: true for a decline by lineup_score"):
        refuse_hiding(rules(by_score), exploring, "rules.toml")
    refuse_hiding(rules(by_score + "explore = true\n"), exploring, "rules.toml")
    refuse_hiding(rules(by_score + 'mode = "test"\n'), exploring, "rules.toml")
    refuse_hiding(rules(BIG), exploring, "rules.toml")
    refuse_hiding(rules(by_score), ExplorationRules(share=0.05, declined_labels="all"), "rules.toml")
    refuse_hiding(rules(by_score), ExplorationRules(), "rules.toml")
