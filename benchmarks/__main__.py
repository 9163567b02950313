"""`python -m benchmarks`: every benchmark, one after another, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "harness", "tables", "handbook_data", "selective_data"}

names = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_BENCHMARKS)
failed = [
    n for n in names if subprocess.run([sys.executable, "-m", f"benchmarks.{n}", *sys.argv[1:]], check=False).returncode
]
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
