"""What each kind of bad record gets: a reason, and nothing stops."""

from __future__ import annotations

import base64
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import dead_letters as why
from streams.cards import card_token, find_card_number, is_card_number, masked
from streams.codec import _DIGITS, LabelCodec, TransactionCodec, raw_feature_names, raw_features
from streams.dead_letters import DeadLetter, encode_dead_letter
from streams.kafka.source import Record
from streams.kernels import find_long_numbers
from streams.spec import parse_spec

SPEC = parse_spec(
    """
tx_id = "id"
event_time = "at"
amount = "amount"
categorical = ["country"]
numeric = ["age"]
[entities]
customer = "customer"
terminal = "terminal"
""",
    "stream.toml",
)
NOW = 1_700_000_000_000
GOOD: dict[str, object] = {
    "id": "t1",
    "at": NOW,
    "amount": 12.5,
    "customer": "c1",
    "terminal": "m1",
    "country": "DE",
    "age": 3,
}
CARD = "4111111111111111"


def record(value: bytes, offset: int = 0) -> Record:
    return Record("transactions", 0, offset, NOW + 5, b"c1", value)


def changed(**fields: object) -> bytes:
    return msgspec.json.encode({**GOOD, **fields})


def raw(**fields: bytes) -> bytes:
    """A good record with these bytes for values."""
    return changed()[:-1] + b"".join(b',"%s":%s' % (k.encode(), v) for k, v in fields.items()) + b"}"


def without(field: str) -> bytes:
    return msgspec.json.encode({k: v for k, v in GOOD.items() if k != field})


def reason_of(value: bytes) -> str | None:
    _, dead = TransactionCodec(SPEC, None).decode([record(value)])
    return dead[0].reason if dead else None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not json", why.NOT_JSON),
        (b"", why.NOT_JSON),
        (changed()[:-9], why.NOT_JSON),
        (b"\xff\xfe", why.NOT_JSON),
        (b"[" * 5000, why.WRONG_TYPE),
        (b"[1, 2]", why.WRONG_TYPE),
        (changed(amount="12.5"), why.WRONG_TYPE),
        (changed(age="old"), why.WRONG_TYPE),
        (without("amount"), why.WRONG_TYPE),
        (without("id"), why.WRONG_TYPE),
        (changed(id=""), why.ID_MISSING),
        (changed(customer=None), why.ENTITY_MISSING),
        (changed().replace(b"12.5", b"NaN"), why.NOT_FINITE),
        (changed().replace(b"12.5", b"-Infinity"), why.NOT_FINITE),
        (changed().replace(b"12.5", b"1e999"), why.NOT_FINITE),
        (changed(amount=-1), why.AMOUNT_NEGATIVE),
        (changed(amount=1e12), why.AMOUNT_TOO_LARGE),
        (changed(at=-5), why.EVENT_TIME_INVALID),
        (changed(at=NOW + 90 * 86_400_000), why.EVENT_TIME_IN_FUTURE),
        (changed(note="x" * 1_000_000), why.RECORD_TOO_LARGE),
        (changed(country=CARD), why.CARD_NUMBER),
        (changed(terminal=CARD), why.CARD_NUMBER),
        (changed(note=f"paid with 4111-1111-1111-1111, thanks {NOW}"), why.CARD_NUMBER),
        (changed(pan=int(CARD)), why.CARD_NUMBER),
        (raw(note=b"[" * 900 + b'"12345678901234"' + b"]" * 900), why.NOT_JSON),
        (raw(note=b"9" * 5000), why.NOT_FINITE),
        (raw(note=b'"\xff 12345678901234"'), why.NOT_JSON),
        (changed(), None),
        (changed(country="never seen"), None),
        (without("country"), None),
        (changed(age=None), None),
    ],
)
def test_a_record_gets_its_reason(value: bytes, reason: str | None) -> None:
    assert reason_of(value) == reason


def test_good_records_around_bad_ones_are_read_in_order() -> None:
    values = [changed(id="a"), b"?", changed(id="b"), changed(amount=-1), changed(id="c")]
    tx, dead = TransactionCodec(SPEC, None).decode([record(v, i) for i, v in enumerate(values)])
    assert tx.tx_id == ["a", "b", "c"]
    assert tx.offset.tolist() == [0, 2, 4]
    assert [d.record.offset for d in dead] == [1, 3]


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_random_bytes_are_either_read_or_refused(values: list[bytes]) -> None:
    tx, dead = TransactionCodec(SPEC, None).decode([record(v, i) for i, v in enumerate(values)])
    assert len(tx.tx_id) + len(dead) == len(values)


UGLY: list[object] = [
    None, True, -1, 0.5, 10**15, -(10**18), 10**19, 10**30, 10**400, 1e308, "", "x", "\x00", "é" * 9, CARD, int(CARD),
    [], {}, [[CARD]], {"a": {"b": "12345678901234"}},
]  # fmt: skip


@settings(deadline=None, max_examples=60)  # a field of 5,000 brackets takes its time to be refused
@given(
    fields=st.dictionaries(st.sampled_from([*GOOD, "is_fraud", "tx_id", "event_time", "note"]), st.sampled_from(UGLY)),
    depth=st.sampled_from([0, 300, 480, 990, 5000]),
    cut=st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=9)),
)
def test_mutated_records_are_either_read_or_refused(
    fields: dict[str, object], depth: int, cut: tuple[float, int, bytes]
) -> None:
    nested = b"[" * depth + b"12345678901234" + b"]" * depth
    value = json.dumps({**GOOD, "tx_id": "t1", "is_fraud": True, "event_time": NOW, **fields}).encode()
    value = value[:-1] + b',"deep":' + nested + b"}"
    at, length, put = int(cut[0] * len(value)), cut[1], cut[2]
    value = value[:at] + put + value[at + length :]
    for decode in (TransactionCodec(SPEC, None).decode, LabelCodec().decode):
        rows, dead = decode([record(value)])
        assert len(rows.tx_id) + len(dead) == 1
        assert all(msgspec.json.decode(encode_dead_letter(d))["reason"] for d in dead)


def test_numbers_may_be_identifiers() -> None:
    tx, dead = TransactionCodec(SPEC, None).decode([record(changed(id=17, customer=4))])
    assert not dead
    assert (tx.tx_id, tx.key) == (["17"], [b"4"])


def test_raw_features_have_their_names_and_hold_missing_values() -> None:
    tx, _ = TransactionCodec(SPEC, None).decode([record(changed(age=None, country=None))])
    row = dict(zip(raw_feature_names(SPEC), raw_features(tx, SPEC)[0].tolist(), strict=True))
    assert row["amount"] == 12.5
    assert np.isnan(row["age"])
    assert row["country"] == 0


def test_a_declared_card_number_is_replaced_before_anything_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARD_KEY", "secret")
    spec = parse_spec(
        'tx_id = "id"\nevent_time = "at"\namount = "amount"\ncard_numbers = ["pan"]\nhmac_key_env = "CARD_KEY"\n'
        '[entities]\ncard = "pan"\n',
        "stream.toml",
    )
    tx, dead = TransactionCodec(spec, spec.hmac_key()).decode([record(changed(pan=CARD))])
    assert not dead
    assert tx.key == [card_token(CARD, b"secret").encode()]


def test_a_card_number_never_reaches_the_dead_letters() -> None:
    _, dead = TransactionCodec(SPEC, None).decode([record(changed(country=CARD))])
    stored = msgspec.json.decode(encode_dead_letter(dead[0]))
    assert CARD.encode() not in base64.b64decode(stored["value"])
    assert b"************1111" in base64.b64decode(stored["value"])


def test_a_dead_letter_keeps_the_original_bytes() -> None:
    letter = DeadLetter(record(b"\x00\xffodd"), why.NOT_JSON)
    assert base64.b64decode(msgspec.json.decode(encode_dead_letter(letter))["value"]) == b"\x00\xffodd"


@given(st.integers(10**12, 10**19 - 1))
def test_luhn_accepts_exactly_one_last_digit(number: int) -> None:
    digits = str(number)[:-1]
    accepted = [d for d in "0123456789" if is_card_number(digits + d)]
    assert len(accepted) <= 1


def test_masking_leaves_other_text_alone() -> None:
    text = f"id {NOW} card {CARD}"
    assert find_card_number(text) == CARD
    assert masked(text) == f"id {NOW} card ************1111"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"?", why.NOT_JSON),
        (b'{"tx_id": "a"}', why.WRONG_TYPE),
        (b'{"tx_id": "a", "is_fraud": "yes", "event_time": 1}', why.WRONG_TYPE),
        (b'{"tx_id": "a", "is_fraud": true, "event_time": 9223372036854775808}', why.EVENT_TIME_IN_FUTURE),
        (b'{"tx_id": "a", "is_fraud": true, "event_time": %d}' % (NOW + 86_400_000), why.EVENT_TIME_IN_FUTURE),
        (b'{"tx_id": "a", "is_fraud": true, "event_time": 0}', why.EVENT_TIME_INVALID),
        (
            b'{"tx_id": "a", "is_fraud": true, "event_time": 1, "note": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
            why.NOT_JSON,
        ),
        (b'{"tx_id": "a", "is_fraud": true, "event_time": 1}', None),
    ],
)
def test_a_label_gets_its_reason(value: bytes, reason: str | None) -> None:
    _, dead = LabelCodec().decode([record(value)])
    assert (dead[0].reason if dead else None) == reason


def test_cents_become_units_and_a_stream_without_amounts_counts() -> None:
    cents = parse_spec(
        'tx_id = "id"\nevent_time = "at"\namount = "amount"\namount_divisor = 100\nentities.c = "c"', "s"
    )
    nothing = parse_spec('tx_id = "id"\nevent_time = "at"\namount = ""\ncalendar = false\nentities.c = "c"', "s")
    row = record(b'{"id": "t", "at": 1700000000000, "amount": 1250, "c": "c1"}')
    assert TransactionCodec(cents, None).decode([row])[0].amount.tolist() == [12.5]
    decoded, _ = TransactionCodec(nothing, None).decode([row])
    assert decoded.amount.tolist() == [1.0]
    assert raw_feature_names(nothing) == ("amount",)
    assert raw_features(decoded, nothing).tolist() == [[1.0]]


def test_a_field_called_like_a_feature_of_ours_is_told_apart() -> None:
    spec = parse_spec('tx_id = "id"\nevent_time = "at"\namount = "n"\nnumeric = ["hour"]\nentities.c = "c"', "s")
    assert raw_feature_names(spec) == ("amount", "hour", "is_weekend", "is_night", "hour_field")


def test_a_spec_that_only_a_table_can_be_read_with_has_a_codec_whose_labels_and_windows_a_backtest_uses() -> None:
    spec = parse_spec('tx_id = ""\nevent_time = ""\namount = ""\nentities = {}\n[table]\ntime_every = "1s"', "s")
    assert TransactionCodec(spec, None).decode([])[0].entities.shape == (0, 0)


@given(st.lists(st.text('0123456789 -":,x', max_size=40).map(str.encode), max_size=6))
def test_the_quick_look_for_long_numbers_misses_none_that_the_closer_one_sees(values: list[bytes]) -> None:
    marked = np.empty(len(values), np.bool_)
    ends = np.cumsum([len(value) for value in values], dtype=np.int64)
    find_long_numbers(np.frombuffer(b"".join(values), np.uint8), ends, marked)
    assert all(mark or not _DIGITS.search(value) for mark, value in zip(marked, values, strict=True))


def test_the_quick_look_lets_a_time_in_milliseconds_pass() -> None:
    values = [b'{"at":1700000000000}', b'{"at": 1700000000000}', b'["1700000000000"]', b'{"at":17000000000001}']
    marked = np.empty(len(values), np.bool_)
    find_long_numbers(np.frombuffer(b"".join(values), np.uint8), np.cumsum([len(v) for v in values]), marked)
    assert marked.tolist() == [False, False, True, True]


@given(st.permutations([changed(id="a"), b"?", changed(id=""), changed(amount=-1), changed(at=-5), changed(pan=CARD),
                        changed(note="1234567890123456"), changed(age=None), changed(customer="")]))  # fmt: skip
def test_a_record_is_read_in_a_batch_as_it_is_alone(values: list[bytes]) -> None:
    codec = TransactionCodec(SPEC, None)
    together, dead = codec.decode([record(value, i) for i, value in enumerate(values)])
    alone = [codec.decode([record(value, i)]) for i, value in enumerate(values)]
    assert dead == [letter for _, letters in alone for letter in letters]
    assert together.tx_id == [tx_id for tx, _ in alone for tx_id in tx.tx_id]
    assert together.amount.tolist() == [a for tx, _ in alone for a in tx.amount.tolist()]
    assert together.offset.tolist() == [o for tx, _ in alone for o in tx.offset.tolist()]
