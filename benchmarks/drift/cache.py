"""What was measured already, by stream and method: a run that was cut short goes on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.drift.history import History


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one stream.

    Attributes:
        figures: by their names in the report.
        days: that the curve is of.
        curve: AP of the last three days, or accuracy of the last rows.
        fits: trainings.
        seconds: of one core.
        moves: what free agency did, by kind.
        rows: scored.
    """

    figures: dict[str, float]
    days: list[int]
    curve: list[float | None]
    fits: int
    seconds: float
    moves: dict[str, int] = {}
    rows: int = 0


@dataclass(slots=True)
class Lazy:
    """A stream that is read only when somebody has to look at it."""

    name: str
    make: Callable[[], History]
    _made: History | None = None

    def get(self) -> History:
        if self._made is None:
            self._made = self.make()
        return self._made

    def drop(self) -> None:
        """Free its memory."""
        self._made = None


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder with a small JSON file per stream and method.

    Args:
        folder: made when missing.
        seed: of the run.
    """

    folder: Path
    seed: int

    def get(self, stream: str, method: str, measure: Callable[[], Measured]) -> Measured:
        """From the folder, else measured now and kept."""
        key = hashlib.sha256(f"{stream}/{method}/{self.seed}".encode()).hexdigest()[:16]
        path = self.folder / f"{key}.json"
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Measured)
        found = measure()
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(found))
        print(f"{stream}: {method}: {found.figures} {found.fits} fits {found.moves} {found.seconds:.0f} s", flush=True)
        return found

    def find(self, stream: str, method: str) -> Measured | None:
        """From the folder alone."""
        key = hashlib.sha256(f"{stream}/{method}/{self.seed}".encode()).hexdigest()[:16]
        path = self.folder / f"{key}.json"
        return msgspec.json.decode(path.read_bytes(), type=Measured) if path.exists() else None
