"""The learned policy: from training to its file, and what it may do once it plays."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from rlfa.config import load_service
from rlfa.errors import PolicyError
from rlfa.free_agency.events import Promoted, TrainingRequested
from rlfa.free_agency.front_office import FrontOffice
from rlfa.free_agency.manager import initial_state
from rlfa.free_agency.policies import encoding
from rlfa.free_agency.policies.bandit import Bandit
from rlfa.free_agency.policies.learned import BYTES_MAX, SHAPES, WEIGHTS, Learned, Network, read, shipped, write
from rlfa.free_agency.policies.policy import Situation, Trial, permitted
from rlfa.free_agency.policies.train_learned import (
    CHOICE_FROM,
    DRIFTS,
    WORLDS_FROM,
    AgainstDefault,
    exported,
    imitate,
    improve,
    main,
    model_of,
    score,
    watch,
)
from rlfa.free_agency.simulated_world import SCENARIOS
from rlfa.free_agency.simulator import FreeAgencyEnv
from rlfa.lineup.slots import AgentId, Day, EventTime, Slot, SlotId
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from tests.rlfa.free_agency.builders import cohort, rules
from tests.rlfa.free_agency.service import Service

STREAM = 'tx_id = "id"\nevent_time = "at"\namount = "amount"\n[entities]\ncustomer = "c"\n'


def anything(seed: int = 0, scale: float = 3.0) -> Network:
    """A network that wants something different in every situation."""
    chance = np.random.default_rng(seed)
    return Network({n: chance.normal(0.0, scale, shape).astype(np.float32) for n, shape in SHAPES.items()})


numbers = st.floats(-50.0, 50.0)
trials = st.builds(
    Trial,
    agent=st.sampled_from([AgentId("a"), AgentId("b"), AgentId("c")]),
    log_up=numbers,
    log_down=numbers,
    log_futility=numbers,
    bound=st.floats(1.5, 1e6),
    ready=st.booleans(),
    frauds=st.integers(0, 10_000),
    days=st.integers(0, 90),
    wins=st.integers(0, 500),
    losses=st.integers(0, 500),
    gap=numbers,
)
situations = st.builds(
    Situation,
    standing=st.sampled_from(["ok", "watch", "under"]),
    reward=st.floats(-1e9, 1e9),
    reward_error=st.floats(0.0, 1e9),
    detection=st.none() | st.floats(0.0, 1.0),
    level=st.none() | st.floats(0.0, 1.0),
    delay_days=st.integers(0, 400),
    days_held=st.integers(0, 10_000),
    days_quiet=st.integers(0, 10_000),
    review=st.booleans(),
    trials=st.lists(trials, max_size=4).map(tuple),
    training=st.integers(0, 64),
    pooled=st.integers(0, 64),
    log_guard=st.none() | st.just(-math.inf) | numbers,
    own=st.floats(-1.0, 1.0),
    other=st.floats(-1.0, 1.0),
    shift=st.floats(0.0, 1e6),
    drifted=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(situation=situations, may_swap=st.booleans(), cooldown=st.integers(0, 30), seed=st.integers(0, 50))
def test_whatever_the_weights_only_allowed_moves_are_made(
    situation: Situation, may_swap: bool, cooldown: int, seed: int
) -> None:
    allowed = permitted(situation, needs_evidence=True, may_swap=may_swap, cooldown_days=cooldown)
    for network in (anything(seed), shipped()):
        move = Learned(network).choose(situation, allowed)
        assert move.kind in allowed
        if move.kind == "promote":
            assert next(t for t in situation.trials if t.agent == move.agent and t.ready)
        mask = encoding.mask(allowed)
        chances = network.probabilities(encoding.encode(situation), mask)
        assert not chances[~mask].any()
        assert chances.sum() == pytest.approx(1.0)


def test_export_gives_the_probabilities_of_the_library_that_trained_it(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    model = model_of(3, days=40, rollout=16)
    imitate(model, watch(Bandit(), 2, 3, days=40), epochs=3, seed=3)
    model.learn(256)
    write(exported(model, {"command": "this test"}), tmp_path / "tiny.safetensors")
    network = read(tmp_path / "tiny.safetensors")
    assert network.about["command"] == "this test"
    env, chance, kinds = AgainstDefault(FreeAgencyEnv(days=60), 4), np.random.default_rng(4), 0
    for _ in range(3):
        seen, _ = env.reset()
        over = False
        while not over:
            mask = env.action_masks()
            with torch.no_grad():
                theirs = model.policy.get_distribution(torch.from_numpy(seen[None]), mask[None]).distribution.probs
            assert network.probabilities(seen, mask) == pytest.approx(theirs.numpy()[0], abs=1e-5)
            kinds += mask.sum() > 1
            seen, _, _, over, _ = env.step(np.int64(chance.choice(np.flatnonzero(mask))))
    assert kinds > 20


def test_training_with_a_seed_gives_the_same_weights_twice() -> None:
    def small(seed: int) -> bytes:
        model = model_of(seed, days=40, rollout=16)
        imitate(model, watch(Bandit(), 2, seed, days=40), epochs=2, seed=seed)
        model.learn(256)
        return b"".join(t.tobytes() for t in exported(model, {}).tensors.values())

    assert small(5) == small(5) != small(6)


def test_checkpoints_begin_with_the_imitation_and_only_get_better() -> None:
    found = [*improve(256, 5, every=128, lives=2, worlds=1, days=40, rollout=16)]
    earned = [score(Learned(network), 1, 40) for network in found]
    assert found[0].about["days_played"] == "0"
    assert earned == sorted(set(earned))


def test_command_writes_a_file_that_says_how_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = anything()
    monkeypatch.setattr("rlfa.free_agency.policies.train_learned.improve", lambda *args: iter([made]))
    main(["--steps", "7", "--out", str(tmp_path / "new.safetensors")])
    network = read(tmp_path / "new.safetensors")
    assert "train_learned --steps 7" in network.about["command"]
    assert network.about["drifts"] == ",".join(DRIFTS)
    assert capsys.readouterr().err.endswith("new.safetensors\n")


def test_playing_like_the_default_policy_is_worth_nothing_in_training() -> None:
    env = AgainstDefault(FreeAgencyEnv(days=120), 9)
    env.reset()
    moves = (Bandit().choose(env.game.situation, env.game.allowed) for _ in range(119))
    assert all(env.step(np.int64(encoding.action_of(move)))[1] == 0.0 for move in moves)
    env.reset()
    assert any(env.step(np.int64(0))[1] != 0.0 for _ in range(119))


def test_training_sees_no_world_and_no_drift_of_the_benchmark() -> None:
    assert set(DRIFTS) < set(SCENARIOS)
    env = AgainstDefault(FreeAgencyEnv(), 0)
    found = [env.reset()[1] for _ in range(40)]
    assert {f["scenario"] for f in found} == set(DRIFTS)
    assert min(f["world"] for f in found) >= WORLDS_FROM > CHOICE_FROM > 10_000


def test_shipped_network_is_small_and_says_how_it_was_made() -> None:
    assert WEIGHTS.stat().st_size < BYTES_MAX
    assert shipped().about["command"].startswith("python -m rlfa.free_agency.policies.train_learned")
    assert tuple(shipped().about["drifts"].split(",")) == DRIFTS


def test_playing_needs_no_library_of_reinforcement_learning() -> None:
    code = (
        "import sys; from rlfa.free_agency.policies.learned import shipped; shipped();"
        "print(*sorted({'gymnasium', 'stable_baselines3', 'sb3_contrib', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    write(anything(), path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(PolicyError, match="found 'checksum"):
        read(path)
    path.with_suffix(".sha256").unlink()
    with pytest.raises(PolicyError, match=r"p\.sha256: found 'No such file"):
        read(path)
    path.write_bytes(bytes(BYTES_MAX + 1))
    with pytest.raises(PolicyError, match="allowed: at most 200,000"):
        read(path)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("0.weight", np.zeros((64, 3), np.float32), r"float32\[64, 3\]"),
        ("2.bias", np.zeros(6, np.float64), r"float64\[6\]"),
        ("1.bias", np.full(64, np.nan, np.float32), "not finite"),
        ("3.bias", np.zeros(6, np.float32), r"'3\.bias'"),
    ],
)
def test_network_that_does_not_fit_is_refused(tmp_path: Path, name: str, value: np.ndarray, says: str) -> None:
    wrong = {**anything().tensors, name: value}
    with pytest.raises(PolicyError, match=says):
        write(Network(wrong), tmp_path / "p.safetensors")
    signed(save(wrong, {"actions": ",".join(encoding.ACTIONS)}), tmp_path / "p.safetensors")
    with pytest.raises(PolicyError, match=says):
        read(tmp_path / "p.safetensors")


def test_network_for_other_actions_and_a_file_of_something_else_are_refused(tmp_path: Path) -> None:
    signed(save(dict(anything().tensors), {"actions": "hold,scout"}), tmp_path / "p.safetensors")
    with pytest.raises(PolicyError, match="found 'hold,scout'"):
        read(tmp_path / "p.safetensors")
    signed(b"not one of ours", tmp_path / "p.safetensors")
    with pytest.raises(PolicyError, match="a safetensors file"):
        read(tmp_path / "p.safetensors")


def signed(data: bytes, path: Path) -> None:
    """A file with the right checksum, whatever is in it."""
    write(anything(), path)
    path.write_bytes(data)
    path.with_suffix(".sha256").write_text(hashlib.sha256(data).hexdigest())


def test_action_numbers_and_moves_are_each_others_inverse() -> None:
    ready = Trial(
        agent=AgentId("new"),
        log_up=9.0,
        log_down=0.0,
        log_futility=0.0,
        bound=20.0,
        ready=True,
        frauds=40,
        days=9,
        wins=9,
        losses=0,
    )
    situation = Situation(trials=(ready,))
    assert [encoding.action_of(encoding.move_of(a, situation)) for a in range(len(encoding.ACTIONS))] == list(
        range(len(encoding.ACTIONS))
    )


def test_live_manager_plays_the_learned_policy_and_promotes_on_evidence_alone() -> None:
    service = Service(rules(policy="learned"), {"old": 4.0})
    service.live(10)
    service.skills["old"] = 0.0
    service.live(80)
    promoted = [e for e in service.of(Promoted) if isinstance(e, Promoted)]
    assert service.of(TrainingRequested)
    assert promoted
    assert all(e.log_up >= math.log(e.bound) for e in promoted)


def test_service_whose_settings_say_learned_writes_it_into_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "rlfa.toml").write_text('[free_agency]\npolicy = "learned"\n')
    (tmp_path / "stream.toml").write_text(STREAM)
    service = load_service(tmp_path / "rlfa.toml")
    slot = Slot(id=SlotId("main"), incumbent=AgentId("veteran"))
    state, events = initial_state([slot], {slot.incumbent: "moe"}, Day(100), seed=1)
    store = Store.open(service.database)
    with store.transaction() as session:
        Ledger(session).append(entries_of(events, state, at=EventTime(0), recorded_at=1))
    office = FrontOffice.open(service)
    assert office.policy == Learned(shipped())
    office.footprints = {slot.incumbent: None}  # an agent without a card: nothing was measured
    office.take(cohort(Day(101), {"veteran": 4.0}), now=EventTime(102 * 86_400_000), recorded_at=2)
    with store.transaction() as session:
        assert {e.policy for e in Ledger(session).read(1)} == {"learned"}
    office.store.close()
    store.close()
