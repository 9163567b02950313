"""`python -m benchmarks`: every benchmark, one after another, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"__main__", "tables"}

modules = {p.stem for p in HERE.glob("*.py") if '__name__ == "__main__"' in p.read_text()}
packages = {p.parent.name for p in HERE.glob("*/__main__.py")}
names = sorted((modules | packages) - NOT_BENCHMARKS)
failed = [
    n for n in names if subprocess.run([sys.executable, "-m", f"benchmarks.{n}", *sys.argv[1:]], check=False).returncode
]
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
