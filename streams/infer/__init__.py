"""From a table to a stream spec: what each column is for, proposed with reasons, asked where the table doesn't tell."""

from __future__ import annotations

from pathlib import Path

from streams.infer.answers import NONE, ROWS, Answers, Role, UnclearError
from streams.infer.proposal import Proposal, propose
from streams.infer.sample import draw
from streams.infer.writing import toml_of
from streams.table_files import open_table

__all__ = ["NONE", "ROWS", "Answers", "Proposal", "Role", "UnclearError", "infer", "toml_of"]


def infer(path: Path, answers: Answers) -> Proposal:
    """Read a table once, and propose its spec.

    Args:
        path: of a CSV or Parquet file.
        answers: what the user says of it.

    Raises:
        UnclearError: the table doesn't tell the id, the time or the label.
        streams.history.HistoryError: unreadable, empty or too wide.
    """
    return propose(draw(open_table(path)), answers)
