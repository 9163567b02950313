"""Code in a sealed process that tries to get out doesn't; one that dies, hangs or lies gives no score."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rlfa.hosts import seal
from rlfa.hosts.seal import SealError
from rlfa.hosts.sealed import SealedAgent
from tests.rlfa.hosts.escapes import ATTEMPTS

SCRIPT = Path(__file__).parent / "escapes.py"
X = np.ones((3, 2), np.float32)
NEEDS_TARGET = {"read a file", "write a file", "connect"}


def child(*arguments: str, timeout_s: float = 20.0) -> SealedAgent:
    agent = SealedAgent("stranger", (sys.executable, str(SCRIPT), *arguments), timeout_s)
    assert agent.wait(60.0)
    return agent


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Something that is there to be reached."""
    (tmp_path / "file").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield str(port) if "connect" in request.node.name else str(tmp_path / "file")


@pytest.mark.parametrize("attempt", sorted(ATTEMPTS))
def test_the_kernel_refuses_what_a_sealed_process_tries(attempt: str, target: str) -> None:
    agent = child(attempt, target)
    try:
        assert agent.logits(X).tolist() == [-1.0] * 3
        assert agent.logits(X).tolist() == [-1.0] * 3, "and goes on scoring"
    finally:
        agent.close()


@pytest.mark.parametrize("attempt", sorted(set(ATTEMPTS) - {"exec", "open without python", "read another's memory"}))
def test_the_same_attempt_succeeds_without_the_seal(attempt: str, target: str) -> None:
    """Or the test above would show nothing."""
    agent = child(attempt, target, "--unsealed")
    try:
        assert agent.logits(X).tolist() == [1.0] * 3
    finally:
        agent.close()


def test_numbers_come_through_the_seal_in_batches_of_any_size() -> None:
    agent = child("score")
    try:
        for n in (1, 5, 20_000):
            x = np.random.default_rng(n).normal(size=(n, 50)).astype(np.float32)
            np.testing.assert_array_equal(agent.logits(x), x.sum(axis=1))
            np.testing.assert_array_equal(agent.contributions(x), x)
    finally:
        agent.close()


@pytest.mark.parametrize("fault", ["die", "hang", "lie"])
def test_a_process_that_fails_gives_no_score_and_is_started_again(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlfa.hosts.sealed.RESTART_S", 0.0)
    agent = child(fault, timeout_s=0.5)
    try:
        first = agent._process
        assert np.isnan(agent.logits(X)).all()
        assert agent.wait(60.0), "started again"
        assert agent._process is not first
        assert np.isnan(agent.logits(X)).all()
    finally:
        agent.close()
    assert np.isnan(agent.logits(X)).all()


def test_a_process_that_keeps_dying_is_not_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlfa.hosts.sealed.RESTART_S", 3600.0)
    agent = child("die")
    try:
        assert np.isnan(agent.logits(X)).all()
        assert np.isnan(agent.logits(X)).all()
        assert agent._process is None
    finally:
        agent.close()


def test_a_machine_without_a_seal_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "sparc64")
    with pytest.raises(SealError, match="sealed agents: found sparc64, allowed: Linux on x86_64 or aarch64"):
        seal.refuse_unavailable()


def test_a_kernel_without_landlock_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "_call", lambda *_: -1)
    with pytest.raises(SealError, match="found no Landlock") as refused:
        seal.refuse_unavailable()
    assert "\n" not in str(refused.value)
