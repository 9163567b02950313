"""A made-up load is valid on any stream, and what became of it is counted right."""

from __future__ import annotations

from itertools import islice

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from rlfa.cli import app
from rlfa.stress.load import PREFIX, Load
from rlfa.stress.tally import Limits, Tally
from streams.codec import TransactionCodec
from streams.kafka.source import Record
from streams.spec import StreamSpec, parse_spec

BEGIN = 1_700_000_000_000
PLAIN = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n'
SPECS = {
    "one entity": PLAIN + '[entities]\ncustomer = "c"\n',
    "cents and seconds": PLAIN
    + 'amount_divisor = 100\nevent_time_unit = "s"\ncurrency = "cur"\n[entities]\ncustomer = "c"\nterminal = "t"\n',
    "ISO times, categories, numbers": PLAIN
    + 'event_time_unit = "iso8601"\ncategorical = ["mcc"]\nnumeric = ["age"]\n[entities]\ncustomer = "c"\n',
    "no amount": 'tx_id = "id"\nevent_time = "at"\namount = ""\n[entities]\ncustomer = "c"\n',
}


@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS)
def test_every_made_up_transaction_can_be_read_on_any_stream(text: str) -> None:
    spec = parse_spec(text, "stream.toml")
    made = list(islice(Load(spec, "run", 5).transactions(BEGIN, 1000.0), 2000))
    records = [Record("t", 0, i, BEGIN, m.key, m.value) for i, m in enumerate(made)]
    decoded, dead = TransactionCodec(spec, None).decode(records)
    assert dead == []
    assert decoded.tx_id == [m.tx_id for m in made] == [f"{PREFIX}-run-{i}" for i in range(2000)]
    assert decoded.event_time.tolist() == [BEGIN + 1000 * i for i in range(2000)]
    assert len({m.key for m in made}) == 5


def test_amounts_stay_under_what_the_stream_takes_for_real() -> None:
    spec: StreamSpec = replace(parse_spec(SPECS["one entity"], "stream.toml"), amount_max=15.0)
    records = [
        Record("t", 0, i, BEGIN, m.key, m.value)
        for i, m in enumerate(islice(Load(spec, "run", 5).transactions(BEGIN, 1.0), 200))
    ]
    decoded, dead = TransactionCodec(spec, None).decode(records)
    assert dead == []
    assert decoded.amount.max() == 15.0


def tally(sent: int, decided: list[int]) -> Tally:
    found = Tally()
    for i in range(sent):
        found.send(str(i), float(i))
    for i in decided:
        found.decide(str(i), i + 0.25)
    return found


def test_lost_and_doubled_are_told_apart_even_where_they_make_up_for_each_other() -> None:
    found = tally(4, [0, 1, 1, 2]).found()
    assert (found.sent, found.decided, found.lost, found.doubled) == (4, 3, 1, 1)


def test_latency_counts_once_a_transaction_from_when_it_was_due() -> None:
    measured = tally(3, [0, 1, 2])
    measured.decide("0", 1000.0)
    found = measured.found()
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms) == (250.0, 250.0, 250.0, 250.0)


def test_what_was_refused_is_waited_for_no_longer() -> None:
    measured = tally(3, [0, 1])
    assert measured.open == 1
    measured.refused += 1
    assert measured.open == 0
    assert measured.found().lost == 1


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (Limits(lost=1, doubled=1), []),
        (Limits(), ["lost: found 1, allowed: 0", "doubled: found 1, allowed: 0"]),
        (Limits(lost=1, doubled=1, p95_ms=249.0, p99_ms=250.0), ["p95_ms: found 250, allowed: 249"]),
    ],
)
def test_a_limit_is_broken_only_past_it(limits: Limits, broken: list[str]) -> None:
    assert limits.broken_by(tally(4, [0, 1, 1, 2]).found()) == broken


def test_a_run_without_a_decision_keeps_no_limit_of_latency() -> None:
    assert Limits(lost=9, p99_ms=5.0).broken_by(tally(3, []).found()) == ["p99_ms: found no decision, allowed: 5"]


@pytest.mark.parametrize("options", [[], ["--rate", "5", "--in-flight", "5"], ["--rate", "0"], ["--seconds", "x"]])
def test_wrong_use_is_exit_2(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["stress", *options]).exit_code == 2
