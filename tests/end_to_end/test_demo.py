"""The demo as a newcomer runs it: whole, and stopped with Ctrl-C at several moments."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

DAYS = 34
STOPPED = 130  # what a shell says of a command that Ctrl-C has ended
GONE_WITHIN_S = 30.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "rlfa", "demo", "--folder", str(tmp_path / "demo"), "--days", str(DAYS)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # no threads here; a CI may have it ignored
    )
    yield process
    process.kill()
    process.wait()


def started_by(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("moment", ["broker: ", "history: ", "ray: ", "day 31: "])
def test_ctrl_c_ends_it_at_any_time_without_a_trace(moment: str, demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    before = next(line for line in demo.stdout if line.startswith(moment))
    children = started_by(demo)
    demo.send_signal(signal.SIGINT)
    after = demo.stdout.read()
    assert demo.wait() == STOPPED, before + after
    assert "Traceback" not in after
    _, alive = psutil.wait_procs(children, timeout=GONE_WITHIN_S)
    assert alive == []


def test_it_counts_a_decision_for_each_transaction_and_leaves_nothing_running(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    children: list[psutil.Process] = []
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if line.startswith("day 32: "):
            children = started_by(demo)
    text = "".join(lines)
    assert demo.wait() == 0, text
    assert re.search(r"metrics: http://127.0.0.1:\d+/metrics", text)
    found = re.search(r"([\d,]+) transactions in, ([\d,]+) decisions out on\s+([\d,]+) different", text)
    assert found is not None, text
    assert len(set(found.groups())) == 1
    _, alive = psutil.wait_procs(children, timeout=GONE_WITHIN_S)
    assert children
    assert alive == []
