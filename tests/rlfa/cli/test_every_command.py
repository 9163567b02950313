"""Each command has help, an example, and its place in the docs."""

from pathlib import Path

import click
import pytest
import typer

from rlfa.cli import app

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()


def commands(group: click.Group, before: str = "rlfa") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        path = f"{before} {name}"
        found += commands(command, path) if hasattr(command, "commands") else [(path, command)]
    return found


ALL = commands(typer.main.get_command(app))  # type: ignore[arg-type]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_a_command_has_help_an_example_and_its_place_in_the_docs(path: str, command: click.Command) -> None:
    assert command.help
    assert f"Example: {path}" in command.help
    assert f"`{path}`" in PAGE
