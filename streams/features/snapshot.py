"""The feature state with the offsets that it stands for, in one file that is whole or absent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from streams.errors import NotAllowedError
from streams.kafka.source import Place


class Kept(Protocol):
    """A state that packs itself into plain arrays."""

    @property
    def spec(self) -> msgspec.Struct:
        """What is kept."""
        ...

    @property
    def entities(self) -> tuple[str, ...]:
        """Of which kinds."""
        ...

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Copies of everything held."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take them in place of what is held."""
        ...


LAYOUT = 2  # of the arrays; another one is another fingerprint
ALLOWED = "a whole snapshot; remove it to rebuild the state from the topic"


class SnapshotError(NotAllowedError):
    """A snapshot that can't be used: where, found, allowed."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a snapshot says beside the state: the next offset of each partition, and their event time."""

    offsets: Mapping[Place, int]
    watermarks: Mapping[int, int]


class _Meta(msgspec.Struct, frozen=True):
    fingerprint: str
    offsets: list[tuple[str, int, int]]
    watermarks: list[tuple[int, int]]

    @property
    def by_place(self) -> dict[Place, int]:
        """The offsets."""
        return {(topic, partition): offset for topic, partition, offset in self.offsets}


def save_snapshot(path: Path, state: Kept, *, offsets: Mapping[Place, int], watermarks: Mapping[int, int]) -> None:
    """Write the state and its offsets, replacing an older snapshot in one step."""
    meta = msgspec.json.encode(
        _Meta(
            fingerprint=fingerprint(state),
            offsets=[(topic, partition, offset) for (topic, partition), offset in offsets.items()],
            watermarks=list(watermarks.items()),
        )
    ).decode()
    arrays = state.snapshot()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(arrays, partial, {"meta": meta, "checksum": _checksum(meta, arrays)})
    with partial.open("rb+") as file:
        os.fsync(file.fileno())  # the name must never outlive the bytes
    partial.replace(path)


def load_snapshot(path: Path, state: Kept) -> Loaded:
    """Fill a state from a snapshot, in place of what it holds.

    Raises:
        SnapshotError: unreadable, damaged, or made with other windows.
    """
    with _opened(path) as file:
        said = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        meta = msgspec.json.decode(said["meta"], type=_Meta)
        is_whole = said["checksum"] == _checksum(said["meta"], arrays)
    if not is_whole:
        raise SnapshotError(str(path), "a wrong checksum", ALLOWED)
    if meta.fingerprint != fingerprint(state):
        raise SnapshotError(str(path), "windows of another spec", "the spec it was made with; or remove the snapshot")
    state.restore(arrays)
    return Loaded(meta.by_place, dict(meta.watermarks))


def read_offsets(path: Path) -> Mapping[Place, int]:
    """The offsets that a snapshot stands for, without its state.

    Raises:
        SnapshotError: unreadable.
    """
    with _opened(path) as file:
        meta = msgspec.json.decode(file.metadata()["meta"], type=_Meta)
    return meta.by_place


@contextmanager
def _opened(path: Path) -> Iterator[Any]:  # safetensors is untyped
    """A snapshot's file; whatever can't be read of it within the block is one line."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise SnapshotError(str(path), error, ALLOWED) from error


def fingerprint(state: Kept) -> str:
    """Of everything that the arrays depend on."""
    text = msgspec.json.encode([LAYOUT, state.spec, state.entities])
    return hashlib.sha256(text).hexdigest()[:16]


def _checksum(meta: str, arrays: Mapping[str, NDArray[np.generic]]) -> str:
    digest = xxhash.xxh3_128(meta.encode())
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
