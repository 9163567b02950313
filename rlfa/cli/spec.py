"""`rlfa spec infer`: a stream spec proposed from a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.infer import NONE, Answers, Proposal, Role, UnclearError, infer, toml_of

app = typer.Typer(no_args_is_help=True, help="Stream specs.")

ROLES: dict[str, Role] = {"--id": "id", "--time": "time", "--label": "label", "--amount": "amount"}
Column = str | None


@app.callback()
def _group() -> None:
    """Stream specs: what the fields of a stream or a table are."""


@app.command(name="infer")
def command(
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet table of past transactions.")],
    tx_id: Annotated[Column, typer.Option("--id", help="Column of ids, or `rows` for the row's number.")] = None,
    time: Annotated[Column, typer.Option(help="Column of times, or `rows` for their order, `rows:30m` each.")] = None,
    label: Annotated[Column, typer.Option(help="Column with the truth.")] = None,
    amount: Annotated[Column, typer.Option(help="Column of amounts, or `none`.")] = None,
    entity: Annotated[
        list[str] | None, typer.Option(help="Column whose history counts, the key first; again for more, or `none`.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the spec; else stdout.")] = None,
) -> None:
    """Propose a stream spec for a table, with a reason for each choice.

    Asks on a terminal for what the table doesn't tell; elsewhere that is an error that names the flag.

    Example: rlfa spec infer payments.csv --label is_fraud --out stream.toml
    """
    entities = None if entity is None else () if entity == [NONE] else tuple(entity)
    proposal = _asked(file, Answers(id=tx_id, time=time, label=label, amount=amount, entities=entities))
    for warning in proposal.warnings:
        typer.echo(f"warning: {warning}", err=True)
    text = toml_of(proposal)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text)
        typer.echo(out)


def is_asked_for() -> bool:
    """Somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asked(file: Path, answers: Answers) -> Proposal:
    """The proposal, after as many questions as the table leaves open.

    Raises:
        UnclearError: a question, and nobody at a terminal to answer it.
    """
    while True:
        try:
            return infer(file, answers)
        except UnclearError as question:
            role = ROLES.get(question.flag)
            if role is None or not is_asked_for():
                raise
            typer.echo(str(question), err=True)
            answer: str = typer.prompt(f"{role} column", err=True)
            answers = answers.with_column(role, answer)
