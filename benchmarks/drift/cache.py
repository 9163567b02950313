"""What was measured already, by stream and method: a run that was cut short goes on where it stopped."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Scored:
    """One fit's scores float64[n], and the seconds of one core that it took with them."""

    score: NDArray[np.float64]
    seconds: float


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
        closed: nothing new is scored.
    """

    folder: Path
    seed: int
    closed: bool = False

    def get(self, stream: str, method: str, measure: Callable[[], Measured]) -> Measured:
        """From the folder, else measured now and kept."""
        path = self._path(stream, method, "json")
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Measured)
        found = measure()
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(found))
        print(f"{stream}: {method}: {found.figures} {found.fits} fits {found.moves} {found.seconds:.0f} s", flush=True)
        return found

    def find(self, stream: str, method: str) -> Measured | None:
        """From the folder alone."""
        path = self._path(stream, method, "json")
        return msgspec.json.decode(path.read_bytes(), type=Measured) if path.exists() else None

    def scores(self, stream: str, method: str, score: Callable[[], NDArray[np.float64]]) -> Scored:
        """A method's scores of a stream, from the folder, else made now and kept.

        Raises:
            LookupError: they aren't in the folder, which is closed.
        """
        path = self._path(stream, method, "npz")
        if not path.exists():
            if self.closed:
                raise LookupError(f"{stream}: {method}")
            begin = time.process_time()
            made = score()
            seconds = time.process_time() - begin
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:  # whole or not at all
                np.savez(file, score=made, seconds=seconds)
            Path(file.name).replace(path)
            print(f"{stream}: {method}: {seconds:.1f} s", flush=True)
        with np.load(path) as kept:
            return Scored(kept["score"], float(kept["seconds"]))

    def _path(self, stream: str, method: str, ending: str) -> Path:
        key = hashlib.sha256(f"{stream}/{method}/{self.seed}".encode()).hexdigest()[:16]
        return self.folder / f"{key}.{ending}"
