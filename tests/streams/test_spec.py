"""A stream spec that is wrong stops the start with one line."""

from pathlib import Path

import pytest

from streams.errors import SpecError
from streams.spec import load_spec, parse_spec

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
        (GOOD.replace('customer = "customer"', ""), "at least one: the key of the topics"),
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
