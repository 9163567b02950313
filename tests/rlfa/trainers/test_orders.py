"""A training from its order to its delivery."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.weights import load_agent, read_card
from rlfa.config import load_service
from rlfa.errors import ConfigError
from rlfa.lineup.slots import Day
from rlfa.outcomes import log
from rlfa.trainers.orders import fulfil
from rlfa.trainers.record import explain
from tests.rlfa.trainers.history import incumbent, live, order, service

OLD, NEW = range(100, 106), range(106, 114)


def test_incumbents_genome_goes_on_from_its_weights_where_that_loses_less(tmp_path: Path) -> None:
    here = service(tmp_path)
    live(here.outcomes, [*OLD, *NEW])
    old = incumbent(here, OLD)
    delivery = fulfil(here, order(here, old, NEW))
    candidate, ref = delivery.candidate, delivery.ref
    assert candidate.error == ""
    assert ref is not None
    assert candidate.trained is not None
    assert candidate.offline is not None
    trained = candidate.trained
    assert (trained.day_from, trained.day_to, trained.rows, trained.frauds) == (106, 111, 2400, 120)
    assert trained.loss_warm is not None
    assert trained.loss_cold is not None
    assert trained.warm_start == old.id
    assert candidate.offline.loss_candidate == trained.loss_warm <= trained.loss_cold
    assert (candidate.offline.day_from, candidate.offline.day_to) == (112, 113)
    assert read_card(Path(ref.folder)).warm_start == old.id
    assert load_agent(Path(ref.folder), ref.checksum).id == candidate.agent


def test_incumbents_genome_starts_from_nothing_where_its_weights_have_become_wrong(tmp_path: Path) -> None:
    here = service(tmp_path)
    live(here.outcomes, OLD)
    old = incumbent(here, OLD)
    live(here.outcomes, NEW, sign=-1.0)
    trained = fulfil(here, order(here, old, NEW)).candidate.trained
    assert trained is not None
    assert trained.loss_warm is not None
    assert trained.loss_cold is not None
    assert trained.loss_cold <= trained.loss_warm + 1e-9
    assert trained.warm_start == ""


@pytest.mark.parametrize("why", ["another genome", "from outside", "switched off", "other features"])
def test_there_is_but_one_training_without_weights_that_fit(tmp_path: Path, why: str) -> None:
    here = service(tmp_path, "warm_start = false" if why == "switched off" else "")
    live(here.outcomes, OLD)
    live(here.outcomes, NEW, features=5 if why == "other features" else 4)
    old = incumbent(here, OLD)
    old = msgspec.structs.replace(old, sealed=why == "from outside")
    family = "other" if why == "another genome" else "small"
    wanted = order(here, old, NEW, family)
    candidate = fulfil(here, wanted).candidate
    assert candidate.error == ""
    assert candidate.trained is not None
    assert (candidate.trained.warm_start, candidate.trained.loss_warm, candidate.trained.loss_cold) == ("", None, None)


def test_what_passes_the_gate_is_trained_once_more_with_its_days(tmp_path: Path) -> None:
    here = service(tmp_path, "refit = true")
    live(here.outcomes, OLD, sign=-1.0)
    old = incumbent(here, OLD)
    live(here.outcomes, NEW)
    candidate = fulfil(here, order(here, old, NEW, "other")).candidate
    assert candidate.trained is not None
    assert candidate.offline is not None
    assert (candidate.trained.day_to, candidate.trained.rows, candidate.trained.refitted) == (113, 3200, True)
    assert (candidate.offline.day_from, candidate.offline.day_to) == (112, 113)


def test_what_fails_at_the_gate_is_not_trained_again(tmp_path: Path) -> None:
    here = service(tmp_path, "refit = true")
    live(here.outcomes, NEW)
    old = incumbent(here, NEW)
    live(here.outcomes, NEW[:-2], sign=-1.0)
    candidate = fulfil(here, order(here, old, NEW, "other")).candidate
    assert candidate.trained is not None
    assert (candidate.trained.day_to, candidate.trained.refitted) == (111, False)


def test_same_order_gives_the_same_delivery(tmp_path: Path) -> None:
    here = service(tmp_path)
    live(here.outcomes, [*OLD, *NEW])
    wanted = order(here, incumbent(here, OLD), NEW)
    assert fulfil(here, wanted) == fulfil(here, wanted)


def test_training_without_a_day_is_a_delivery_without_an_agent(tmp_path: Path) -> None:
    here = service(tmp_path)
    live(here.outcomes, OLD)
    delivery = fulfil(here, order(here, incumbent(here, OLD), NEW[:2]))
    assert (delivery.candidate.agent, delivery.ref) == ("", None)
    assert delivery.candidate.error == "training: found no closed day, allowed: at least one"


@pytest.mark.parametrize(
    ("fraud", "error"),
    [
        (False, "training: found no fraud in 6 days, allowed: at least one"),
        (True, "labels: found 240 frauds of 240, allowed: at least one of each class"),
    ],
)
def test_training_on_one_class_is_a_delivery_with_one_line(tmp_path: Path, fraud: bool, error: str) -> None:
    here = service(tmp_path)
    live(here.outcomes, [*OLD, *NEW], rows=40)
    old = incumbent(here, OLD)
    for day in NEW:
        path = log.path_of(here.outcomes, Day(day))
        table = pq.read_table(path)
        at = table.column_names.index("label")
        pq.write_table(table.set_column(at, "label", pa.array([fraud] * len(table))), path)
    delivery = fulfil(here, order(here, old, NEW))
    assert (delivery.candidate.agent, delivery.candidate.error, delivery.ref) == ("", error, None)


def test_a_genome_that_learns_by_costs_gets_the_users(tmp_path: Path) -> None:
    here = service(tmp_path)
    live(here.outcomes, [*OLD, *NEW])
    old = incumbent(here, OLD)
    wanted = order(here, old, NEW, "other")
    by_cost = msgspec.structs.replace(wanted, genome=msgspec.structs.replace(wanted.genome, loss="cost"))
    candidate = fulfil(here, by_cost).candidate
    assert candidate.error == ""
    assert candidate.agent.startswith("softmax-logistic-")


@pytest.mark.parametrize("warm", ["true", "false"])
def test_deltas_over_the_incumbent_are_kept_where_they_lose_least(warm: str, tmp_path: Path) -> None:
    here = service(tmp_path, f"deltas = 2\ndelta_rank = 2\ndelta_days = 3\nwarm_start = {warm}")
    live(here.outcomes, [*OLD, *NEW])
    old = incumbent(here, OLD, "fast")
    live(here.outcomes, NEW[:3], sign=-1.0)  # days that mislead all but those who look at the newest only
    wanted = order(here, old, NEW, "fast")
    delivery = fulfil(here, wanted)
    assert delivery == fulfil(here, wanted)
    trained = delivery.candidate.trained
    assert trained is not None
    assert trained.loss_deltas is not None
    assert trained.loss_cold is not None
    assert (trained.loss_warm is None) == (warm == "false")
    assert trained.loss_deltas < min(x for x in (trained.loss_cold, trained.loss_warm) if x is not None)
    assert (trained.warm_start, trained.deltas) == (old.id, 2)
    assert (trained.day_from, trained.day_to) == (109, 111)
    assert "2 deltas over" in explain(trained)
    assert f"{trained.loss_deltas:.2f} with deltas over the incumbent" in explain(trained)
    assert delivery.ref is not None
    agent = load_agent(Path(delivery.ref.folder), delivery.ref.checksum)
    assert (agent.genome.deltas, agent.genome.delta_rank) == (2, 2)
    again = fulfil(here, order(here, delivery.ref, NEW, "fast")).candidate  # an incumbent with deltas goes on with them
    assert again.error == ""
    assert again.trained is not None
    assert again.trained.loss_deltas is not None


def test_a_configured_genome_has_no_deltas(tmp_path: Path) -> None:
    service(tmp_path)
    text = (tmp_path / "rlfa.toml").read_text().replace("[genomes.other]", "[genomes.other]\ndeltas = 3")
    (tmp_path / "rlfa.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"genomes\.other\.deltas: found 3, allowed: 0"):
        load_service(tmp_path / "rlfa.toml")
