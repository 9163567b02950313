"""A stream spec that is wrong stops the start with one line."""

from pathlib import Path

import pytest

from streams.errors import SpecError
from streams.spec import load_spec, parse_spec, refuse_tables_only

GOOD = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "customer"\n'


def test_a_whole_spec_is_read() -> None:
    spec = parse_spec(GOOD, "stream.toml")
    assert spec.entities == {"customer": "customer"}
    assert spec.label_delay_ms == 7 * 86_400_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour = 1\n" + GOOD, "stream.toml colour"),
        (GOOD.replace('tx_id = "id"\n', ""), "missing required field `tx_id`"),
        ("amount_max = -5\n" + GOOD, "amount_max"),
        ('lateness_max = "soon"\n' + GOOD, "allowed: a duration such as 36h or 7d"),
        ('categorical = ["at"]\n' + GOOD, "stream.toml at: found 'a field named twice'"),
        (GOOD.replace('"at"', '""'), "how long a row lasts"),
        (GOOD + '[table]\ntime_every = "often"', "stream.toml table.time_every"),
        (GOOD + '[table]\ntime_every = "1s"\ntime_format = "%Y"', "steps are numbers"),
        (GOOD + '[table]\ntime_start = "soon"', "a time such as 2024-05-01"),
        (GOOD + '[table]\nfraud = ["1"]\ngenuine = ["1"]', "values that aren't in table.genuine"),
        ('card_numbers = ["pan"]\n' + GOOD, "allowed: a key in hmac_key_env or hmac_key_file"),
        ("= 3", "allowed: TOML"),
    ],
)
def test_a_wrong_spec_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_spec(text, "stream.toml")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="allowed: a readable TOML file"):
        load_spec(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace('"id"', '""'), "row numbers are for `rlfa backtest` only"),
        (GOOD.replace('"at"', '""') + '[table]\ntime_every = "1s"', "the order of rows is for `rlfa backtest` only"),
        (GOOD.replace('customer = "customer"', ""), "at least one: the key of the topics"),
        (GOOD + '[table]\ntime_every = "1h"', "live records carry a time of `event_time_unit`"),
        (GOOD + '[table]\ntime_format = "%Y"', "live records carry a time of `event_time_unit`"),
    ],
)
def test_a_spec_that_only_a_table_can_be_read_with_is_refused_by_the_service(text: str, says: str) -> None:
    spec = parse_spec(text, "stream.toml")
    with pytest.raises(SpecError) as refused:
        refuse_tables_only(spec, "stream.toml")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_table_says_of_its_label_is_nothing_to_the_service() -> None:
    refuse_tables_only(parse_spec(GOOD + '[table]\nlabel = "chargeback"\nfraud = ["1"]', "stream.toml"), "stream.toml")
