"""Records that can't be read: the reason, and where the original is."""

from __future__ import annotations

import base64
from typing import NamedTuple

import msgspec

from streams.cards import masked
from streams.kafka.source import Record

NOT_JSON = "not_json"
WRONG_TYPE = "wrong_type"
ID_MISSING = "id_missing"
ENTITY_MISSING = "entity_missing"
NOT_FINITE = "not_finite"
AMOUNT_NEGATIVE = "amount_negative"
AMOUNT_TOO_LARGE = "amount_too_large"
EVENT_TIME_INVALID = "event_time_invalid"
EVENT_TIME_IN_FUTURE = "event_time_in_future"
EVENT_TIME_TOO_OLD = "event_time_too_old"
EVENT_TIME_TOO_FAR_AHEAD = "event_time_too_far_ahead"
RECORD_TOO_LARGE = "record_too_large"
CARD_NUMBER = "card_number"
DUPLICATE_ID = "duplicate_id"
UNKNOWN_TRANSACTION = "unknown_transaction"

REASONS = (
    NOT_JSON, WRONG_TYPE, ID_MISSING, ENTITY_MISSING, NOT_FINITE, AMOUNT_NEGATIVE, AMOUNT_TOO_LARGE,
    EVENT_TIME_INVALID, EVENT_TIME_IN_FUTURE, EVENT_TIME_TOO_OLD, EVENT_TIME_TOO_FAR_AHEAD, RECORD_TOO_LARGE,
    CARD_NUMBER, DUPLICATE_ID, UNKNOWN_TRANSACTION,
)  # fmt: skip

# Base64 makes a record a third larger: one that just fitted the broker's limit would not fit as a dead letter, and a
# lane that can't get rid of a record would try it for ever.
VALUE_BYTES_MAX = 262_144


class DeadLetter(NamedTuple):
    """A refused record."""

    record: Record
    reason: str
    detail: str = ""


class DeadLetterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A refused record as the topic carries it; schema: `streams/schemas/dead-letters.json`."""

    topic: str
    """Where it came from."""
    partition: int
    offset: int
    reason: str
    """One of the constants of this module."""
    detail: str
    """Which field, or what the decoder said; empty where the reason says it all."""
    key: str | None
    """Base64 of the original key."""
    value: str
    """Base64 of the original bytes, the first 256 KiB of them; digits of card numbers are masked."""
    size: int
    """Of the original, in bytes; a larger one is whole only where topic, partition and offset say."""


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """JSON of a dead letter; card numbers within are masked."""
    record, value = letter.record, (letter.record.value or b"")[:VALUE_BYTES_MAX]
    if letter.reason == CARD_NUMBER:
        value = _masked(value)
    return msgspec.json.encode(
        DeadLetterRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=letter.reason,
            detail=masked(letter.detail),
            key=None if record.key is None else base64.b64encode(_masked(record.key)).decode(),
            value=base64.b64encode(value).decode(),
            size=len(record.value or b""),
        )
    )


def _masked(data: bytes) -> bytes:
    return masked(data.decode("utf-8", "replace")).encode()
