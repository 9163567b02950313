"""What the user says, and what has to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from streams.errors import StreamsError

ROWS, NONE = "rows", "none"  # in place of a column
Role = Literal["id", "time", "label", "amount"]
SHOWN_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Columns that the user names; None where it is left to us.

    Attributes:
        id: `ROWS` for the row's number.
        time: `ROWS` for the order of rows, `rows:30m` with the time that a row lasts.
        label: of the truth.
        amount: `NONE` where every amount is 1.
        entities: the first is the key; empty for none.
    """

    id: str | None = None
    time: str | None = None
    label: str | None = None
    amount: str | None = None
    entities: tuple[str, ...] | None = None

    def with_column(self, role: Role, name: str) -> Answers:
        """These answers, and one more."""
        match role:
            case "id":
                return replace(self, id=name)
            case "time":
                return replace(self, time=name)
            case "label":
                return replace(self, label=name)
            case "amount":
                return replace(self, amount=name)


class UnclearError(StreamsError):
    """What a table doesn't tell: the flag that says it, why it is unclear, and the candidates."""

    def __init__(self, flag: str, found: str, candidates: Sequence[str]) -> None:
        super().__init__(flag, found, tuple(candidates))

    @property
    def flag(self) -> str:
        """E.g. `--label`."""
        return str(self.args[0])

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names of columns, and `ROWS` where that will do."""
        found: tuple[str, ...] = self.args[2]
        return found

    def __str__(self) -> str:
        shown = ", ".join(self.candidates[:SHOWN_MAX])
        more = len(self.candidates) - SHOWN_MAX
        return f"{self.args[0]}: found {self.args[1]}, allowed: {shown}{f' and {more} more' if more > 0 else ''}"
