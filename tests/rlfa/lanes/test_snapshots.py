"""A snapshot is written beside the lane, as everything was when it began."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from rlfa.lanes import snapshots
from rlfa.lanes.snapshots import SnapshotWriter


def test_a_child_writes_what_there_was_when_it_began(tmp_path: Path) -> None:
    state, writer, path = np.arange(1_000_000), SnapshotWriter(), tmp_path / "state.npy"
    read, write = os.pipe()
    os.set_inheritable(write, True)
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def save() -> None:
        gate.read_bytes()  # until the lane has changed everything
        np.save(path, state)

    writer.write(save)
    assert writer.is_busy
    state += 1
    gate.write_bytes(b"go")
    writer.finish()
    assert (writer.is_busy, writer.failed) == (False, 0)
    np.testing.assert_array_equal(np.load(path), np.arange(1_000_000))
    os.close(write)
    assert os.read(read, 1) == b""  # the child held no end of the lane's pipes and sockets
    os.close(read)


def test_a_child_that_fails_or_is_killed_is_counted_and_the_next_one_writes(tmp_path: Path) -> None:
    writer, path, gate = SnapshotWriter(), tmp_path / "state", tmp_path / "gate"
    os.mkfifo(gate)
    writer.write((tmp_path / "nowhere" / "file").touch)
    writer.finish()
    writer.write(gate.read_bytes)
    os.kill(writer._child, signal.SIGKILL)
    writer.finish()
    assert writer.failed == 2
    writer.write(path.touch)
    writer.finish()
    assert path.exists()


def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "CHILD_LIMIT_S", 0.0)
    writer, gate = SnapshotWriter(), tmp_path / "gate"
    os.mkfifo(gate)
    writer.write(gate.read_bytes)
    writer.finish()
    assert (writer.is_busy, writer.failed) == (False, 1)
