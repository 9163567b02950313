"""`make tables`: results into the docs; nobody types a number."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.harness import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make tables` from `benchmarks/results/`; each file there has the command, the revision, the machine, library
versions, the seed and the data's checksums.
"""


def main() -> None:
    """Write the page."""
    parts = [HEAD, *(_section(msgspec.json.decode(p.read_bytes())) for p in sorted(RESULTS.glob("*.json")))]
    PAGE.write_text("\n".join(parts))


def _section(result: dict) -> str:
    machine = result["machine"]
    lines = [
        f"## {result['name']}",
        "",
        f"`{result['command']}` at `{result['git']}`, seed {result['seed']}",
        f"on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
        "",
        *(_table(result) if result["columns"] else ()),
        *(line for part in result.get("sections", ()) for line in (f"### {part['title']}", "", *_table(part))),
        *(_claim(c) for c in result["claims"]),
        *(f"- {name}: {_cell(value)}" for name, value in result["notes"].items()),
        "",
    ]
    return "\n".join(lines)


def _table(part: dict) -> list[str]:
    columns = part["columns"]
    rows = [_row([_cell(row.get(c, "")) for c in columns]) for row in part["rows"]]
    return [_row(columns), _row(["---"] * len(columns)), *rows, ""]


def _claim(claim: dict) -> str:
    verdict = "met" if claim["met"] else "**not met**"
    return f"- {claim['name']}: {_cell(claim['value'])}, wanted {claim['wanted']}: {verdict}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
