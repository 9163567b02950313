"""The JSON Schemas that ship say what the messages are."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from rlfa.store.outbox import RosterEvent
from streams import dead_letters as why
from streams.codec import Label
from streams.dead_letters import DeadLetter, DeadLetterRecord, encode_dead_letter
from streams.decisions import Decision, Reason
from streams.kafka.source import Record

FOLDER = Path(__file__).parents[2] / "streams" / "schemas"
STRUCTS = {"decisions": Decision, "labels": Label, "dead-letters": DeadLetterRecord, "roster-events": RosterEvent}


def schema_of(struct: type) -> str:
    return json.dumps(msgspec.json.schema(struct), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", list(STRUCTS))
def test_a_shipped_schema_is_that_of_its_struct(name: str, request: pytest.FixtureRequest) -> None:
    path = FOLDER / f"{name}.json"
    if request.config.getoption("--golden-rewrite"):
        path.write_text(schema_of(STRUCTS[name]))
    assert path.read_text() == schema_of(STRUCTS[name]), "run `make golden` and read the difference"


def test_real_messages_are_valid() -> None:
    decision = Decision(
        tx_id="t", score=0.5, action="review", reasons=[Reason("amount", 9.0, 0.4), Reason("country", "DE", 0.1)],
        epoch=1, agents={"a": 0.5}, propensity=1.0, event_time=1, decided_at=2, degraded=False,
    )  # fmt: skip
    letter = DeadLetter(Record("transactions", 0, 1, 2, None, b"?"), why.NOT_JSON)
    messages = {
        "decisions": msgspec.json.encode(decision),
        "dead-letters": encode_dead_letter(letter),
        "labels": msgspec.json.encode(Label(tx_id="t", is_fraud=True, event_time=5)),
    }
    for name, message in messages.items():
        jsonschema.validate(json.loads(message), json.loads((FOLDER / f"{name}.json").read_text()))
