from __future__ import annotations

import pyarrow as pa
import pytest

from streams.spec import TableSpec, parse_spec
from streams.table_columns import labels, numbers, texts, times

DAY_MS = 86_400_000
Y2K_MS = 946_684_800_000
SPEC = 'tx_id = ""\nevent_time = "at"\namount = ""\nentities = {}\n'


@pytest.mark.parametrize(
    ("column", "spec", "wanted"),
    [
        (pa.array(["2024-02-29", "2024-02-29T12:00:00+02:00", "never", None]), 'event_time_unit = "iso8601"\n' + SPEC,
         [1_709_164_800_000, 1_709_200_800_000, 0, 0]),
        (pa.array([1_709_164_800_123_456, None], pa.timestamp("us")), SPEC, [1_709_164_800_123, 0]),
        (pa.array([19_782, None], pa.date32()), SPEC, [1_709_164_800_000, 0]),
        (pa.array([1_709_164_800.5, None]), 'event_time_unit = "s"\n' + SPEC, [1_709_164_800_500, 0]),
        (pa.array(["1709164800", "x"]), 'event_time_unit = "s"\n' + SPEC, [1_709_164_800_000, 0]),
        (pa.array([0, 3]), SPEC + '[table]\ntime_every = "1d"', [Y2K_MS, Y2K_MS + 3 * DAY_MS]),
        (pa.array([0.5]), SPEC + '[table]\ntime_every = "1d"\ntime_start = "1970-01-02"', [DAY_MS + DAY_MS // 2]),
        (pa.array(["29/02/2024 01:00", "2024"]), SPEC + '[table]\ntime_format = "%d/%m/%Y %H:%M"',
         [1_709_168_400_000, 0]),
    ],
)  # fmt: skip
def test_times_of_every_kind_become_milliseconds(column: pa.Array, spec: str, wanted: list[int]) -> None:
    assert times(column, parse_spec(spec, "spec"), 0, len(column)).tolist() == wanted


def test_rows_in_order_are_as_far_apart_as_the_spec_says() -> None:
    spec = parse_spec(SPEC.replace('"at"', '""') + '[table]\ntime_every = "15s"', "spec")
    assert times(None, spec, 10, 2).tolist() == [Y2K_MS + 150_000, Y2K_MS + 165_000]


@pytest.mark.parametrize(
    ("column", "table", "wanted"),
    [
        (pa.array([0, 1, 2, None]), TableSpec(), [0, 1, -1, -1]),
        (pa.array([0.0, 1.0, float("nan")]), TableSpec(), [0, 1, -1]),
        (pa.array([True, False, None]), TableSpec(), [1, 0, -1]),
        (pa.array(["Yes", "no", " Y ", "?"]), TableSpec(), [1, 0, 1, -1]),
        (pa.array(["normal.", "smurf.", None]).dictionary_encode(), TableSpec(genuine=("normal.",)), [0, 1, -1]),
        (pa.array(["chargeback", "ok"]), TableSpec(fraud=("chargeback",)), [1, 0]),
        (pa.array([0, 1, 2]), TableSpec(fraud=("1",), genuine=("0",)), [0, 1, -1]),
    ],
)
def test_labels_of_every_kind_become_fraud_genuine_or_unknown(
    column: pa.Array, table: TableSpec, wanted: list[int]
) -> None:
    assert labels(column, table).tolist() == wanted


def test_texts_that_are_numbers_are_read_and_others_are_missing() -> None:
    found = numbers(pa.array(["1", " -2.5e3 ", "NA", None, "12 apples", "inf"]))
    assert str(found.tolist()) == "[1.0, -2500.0, nan, nan, nan, nan]"


def test_identifiers_that_became_floats_for_want_of_a_value_are_whole_numbers_again() -> None:
    words, places = texts(pa.array([12.0, None, 12.0, 0.5]))
    assert [None if p < 0 else words[p] for p in places.tolist()] == ["12", None, "12", "0.5"]
