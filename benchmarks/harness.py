"""What every benchmark shares: its arguments, the table on the screen, the file of results."""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import eq, ge, gt, le, lt
from pathlib import Path

import msgspec
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
LIBRARIES = (
    "confluent-kafka", "kafka-python", "lightgbm", "matplotlib", "msgspec", "noida-db", "numba", "numpy",
    "pyarrow", "ray", "river", "scikit-learn", "tabm", "torch", "xgboost-cpu",
)  # fmt: skip
COMPARISONS: dict[str, Callable[[float, float], bool]] = {">=": ge, "<=": le, "==": eq, ">": gt, "<": lt}


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure that an issue names."""

    name: str
    value: float
    wanted: str
    met: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One more table of a report, for a benchmark that answers several questions."""

    title: str
    columns: Sequence[str]
    rows: list[dict[str, object]] = field(default_factory=list)

    def row(self, **cells: object) -> None:
        """Add a row; its keys are the section's columns."""
        self.rows.append(cells)


@dataclass(slots=True)
class Report:
    """The rows and claims of one benchmark, with all that is needed to repeat it."""

    name: str
    args: argparse.Namespace
    columns: Sequence[str]
    rows: list[dict[str, object]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)  # file name -> SHA-256
    notes: dict[str, object] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    def section(self, title: str, columns: Sequence[str]) -> Section:
        """Begin one more table."""
        self.sections.append(Section(title, columns))
        return self.sections[-1]

    def row(self, **cells: object) -> None:
        """Add a row of the table; its keys are the report's columns."""
        self.rows.append(cells)

    def claim(self, name: str, value: float, wanted: str) -> None:
        """Set a measured value beside what was wanted, e.g. `">= 5000"`."""
        comparison, bound = wanted.split()
        self.claims.append(Claim(name, value, wanted, COMPARISONS[comparison](value, float(bound))))

    def uses(self, path: Path, name: str = "") -> Path:
        """Record the checksum of a data file under its own or another name, and hand the path back."""
        self.data[name or path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return path

    def finish(self) -> None:
        """Print the table and the claims, and write the file."""
        console = Console(width=max(100, Console().width))
        tables = [Section(f"benchmarks.{self.name}", self.columns, self.rows), *self.sections]
        for part in [t for t in tables if t.columns]:
            table = Table(*part.columns, title=part.title)
            for row in part.rows:
                table.add_row(*(_cell(row.get(column, "")) for column in part.columns))
            console.print(table)
        for claim in self.claims:
            verdict = "met" if claim.met else "NOT MET"
            console.print(f"{claim.name}: {_cell(claim.value)} (wanted {claim.wanted}): {verdict}")
        path: Path = self.args.json or RESULTS / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "name": self.name,
            "command": _command(self.name, self.args),
            "git": _git_revision(),
            "machine": _machine(),
            "versions": {"python": platform.python_version(), **_versions()},
            "seed": self.args.seed,
            "data": self.data,
            "columns": list(self.columns),
            "rows": self.rows,
            "sections": self.sections,
            "claims": self.claims,
            "notes": self.notes,
        }
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document, enc_hook=_plain), indent=2) + b"\n")
        console.print(f"written: {path}")


def arguments(name: str, description: str) -> argparse.ArgumentParser:
    """The options that every benchmark takes; a benchmark may add its own."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--data", type=Path, default=_path_or_none(os.environ.get("RLFA_DATA")))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=None, help="default: benchmarks/results/NAME.json")
    return parser


def need_data(args: argparse.Namespace, folder: str) -> Path:
    """The folder of one data set, or a clear exit where it is missing."""
    if args.data is None:
        sys.exit("this benchmark needs --data DIR (or RLFA_DATA), the folder of third-party data")
    # --data may name the folder of all data sets or the data set itself.
    path: Path = args.data if args.data.name == folder else args.data / folder
    if not path.is_dir():
        sys.exit(f"--data {args.data}: found no folder {folder!r} there")
    return path


def _plain(value: object) -> object:
    """numpy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a report can't hold {type(value)}")


def _path_or_none(text: str | None) -> Path | None:
    return Path(text) if text else None


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _command(name: str, args: argparse.Namespace) -> str:
    given = sys.argv[1:]
    if args.data is not None:  # the folder's place on one machine means nothing on another
        given = [a.replace(str(args.data), "DATA") for a in given]
    return shlex.join(["python", "-m", f"benchmarks.{name}", *given])


def _git_revision() -> str:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, check=False
    )
    return git.stdout.strip() or "unknown"


def _machine() -> dict[str, object]:
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
