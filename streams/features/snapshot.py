"""The feature state with the offsets that it stands for, in one file that is whole or absent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from streams.errors import StreamsError
from streams.features.windows import FeatureState

TopicPartition = tuple[str, int]


class SnapshotError(StreamsError):
    """A snapshot that can't be used: where, found, allowed."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {}, allowed: {}".format(*self.args)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a snapshot says beside the state: the next offset of each partition, and their event time."""

    offsets: Mapping[TopicPartition, int]
    watermarks: Mapping[int, int]


class _Meta(msgspec.Struct, frozen=True):
    fingerprint: str
    offsets: list[tuple[str, int, int]]
    watermarks: list[tuple[int, int]]


def save_snapshot(
    path: Path, state: FeatureState, *, offsets: Mapping[TopicPartition, int], watermarks: Mapping[int, int]
) -> None:
    """Write the state and its offsets, replacing an older snapshot in one step."""
    meta = _Meta(
        fingerprint=fingerprint(state),
        offsets=[(topic, partition, offset) for (topic, partition), offset in offsets.items()],
        watermarks=list(watermarks.items()),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(state.snapshot(), partial, {"meta": msgspec.json.encode(meta).decode()})
    partial.replace(path)


def load_snapshot(path: Path, state: FeatureState) -> Loaded:
    """Fill an empty state from a snapshot.

    Raises:
        SnapshotError: unreadable, or made with other windows.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            meta = msgspec.json.decode(file.metadata()["meta"], type=_Meta)
            columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (OSError, SafetensorError, KeyError, msgspec.DecodeError) as error:
        raise SnapshotError(str(path), error, "a snapshot; remove it to rebuild the state from the topic") from error
    if meta.fingerprint != fingerprint(state):
        raise SnapshotError(str(path), "windows of another spec", "the spec it was made with; or remove the snapshot")
    state.restore(columns)
    return Loaded({(t, p): o for t, p, o in meta.offsets}, dict(meta.watermarks))


def fingerprint(state: FeatureState) -> str:
    """Of everything that the windows depend on."""
    text = msgspec.json.encode([state.spec, state.entities])
    return hashlib.sha256(text).hexdigest()[:16]
