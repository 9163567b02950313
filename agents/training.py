"""The fit: early stopping and calibration on a later window, then once more on all of it."""

from __future__ import annotations

import copy
import hashlib
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from agents.averaging import WeightAverage
from agents.boosting import grow
from agents.calibration import Calibration, Kind, fit_calibration
from agents.columns import chosen, steady
from agents.costs import cost_weights, refuse_unfit_costs
from agents.data_card import DataCard
from agents.errors import TrainingDataError
from agents.forest import TREES, Forest
from agents.gate_metrics import gate_metrics
from agents.gates.task_aware import task_at
from agents.genome import Genome
from agents.inputs import InputStats, typical_row
from agents.lasso import fit_sparse, selected
from agents.losses import BALANCES, LOSSES, task_weights
from agents.metrics import average_precision, figures, figures_by_task
from agents.mixture import Committee
from agents.model import Agent
from agents.rule_features import seen, seen_names
from agents.splits import cut_at, halves
from agents.thinning import thinned
from agents.warm_start import Start, refuse_unfit_start
from agents.weights import all_tensors

Features = NDArray[np.float32]  # [n, d]
Progress = Callable[[float], None]
FRAUDS_FOR_STOPPING = 5  # fewer frauds in the later window say nothing about when to stop


@dataclass(frozen=True, slots=True)
class _Rows:
    """Encoded rows: numbers float32[n, q], category rows int64[n, c], trees' logits float32[n, e or 0]."""

    numbers: Tensor
    rows: Tensor
    boosted: Tensor
    fraud: Tensor
    weight: Tensor  # of the cost-weighted loss

    def __len__(self) -> int:
        return len(self.fraud)


def train(
    genome: Genome,
    x: Features,
    y: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    *,
    feature_names: Sequence[str],
    categorical: frozenset[str] = frozenset(),
    progress: Progress | None = None,
    cost: NDArray[np.float64] | None = None,
    warm_start: Agent | None = None,
    frozen: bool = False,
    device: str = "cpu",
    threads: int | None = None,
) -> Agent:
    """Train an agent.

    The newest `validation_share` of the window's time decides when to stop and how to calibrate. With `refit` the
    agent is then trained again on the whole window for as many passes as were best, since the newest fraud is in the
    newest days; its calibration stays that of the first fit. Genuine rows are thinned to `genuine_per_fraud`, and the
    logit is shifted back to the prior of all rows (`s = b s' / (b s' - s' + 1)`, Dal Pozzolo et al. 2015, b the share
    kept).

    Trees are grown anew on the whole window, too, but their gate stays: it learns on the older half of the newest
    rows, from the logits of trees that have not seen these, as they will not have seen what is to come. The newer
    half stops and calibrates.

    Numeric features that follow time more closely than the genome's `trend_max` are left out: the card's
    `feature_names` are those that the agent uses.

    Args:
        genome: the recipe.
        x: float32[n, d]; NaN is missing, 0 in a category's column too.
        y: bool[n].
        event_time: int64[n], ms UTC.
        feature_names: of the d columns.
        categorical: those that hold codes.
        progress: told the fraction done.
        cost: float64[n], for the cost-weighted loss: what it costs to miss a fraud, or to stop a genuine row.
        warm_start: an agent of the same genome and features whose weights are the start. Known categories keep their
            embeddings, new ones begin as unknown ones were. Trees are grown anew; only their gate starts warm.
        frozen: the start's network, inputs and prior stay as they are; only the genome's deltas learn, and the
            calibration. The start has the genome without deltas, or the same ones.
        device: where to train; the agent comes back on the CPU.
        threads: of torch, while training.

    Raises:
        TrainingDataError: no fraud, nothing genuine, columns that don't fit their names, no costs where the loss wants
            them, or a start that doesn't fit.
        GenomeError: the genome names features that aren't there, a task that is no category, or a rule that means
            nothing on the features.
    """
    x, names = chosen(genome, x, tuple(feature_names))
    _refuse_hopeless(x, y, names)
    x, names = steady(genome, x, y, event_time, names, categorical, warm_start.feature_names if warm_start else ())
    start = None if warm_start is None else Start(warm_start, frozen)
    if start is not None:
        refuse_unfit_start(start, genome, names, categorical)
    if genome.loss == "cost":
        refuse_unfit_costs(cost, y)
    else:
        cost = None
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng(devices=[]):
            return _train(
                genome, x, y, event_time, names, categorical, cost, progress or (lambda _: None), start, device
            )
    finally:
        torch.set_num_threads(before)


def _train(
    genome: Genome,
    x: Features,
    y: NDArray[np.bool_],
    event_time: NDArray[np.int64],
    names: tuple[str, ...],
    categorical: frozenset[str],
    cost: NDArray[np.float64] | None,
    progress: Progress,
    start: Start | None,
    device: str,
) -> Agent:
    cut = cut_at(event_time, y, genome.validation_share)
    early, late = event_time < cut, event_time >= cut
    wide, wide_names = seen(genome, names, x), seen_names(genome, names)
    columns = [j for j, name in enumerate(wide_names) if name in categorical]
    task = task_at(genome, [wide_names[j] for j in columns])
    kept = start.agent if start is not None and start.frozen else None
    inputs = kept.inputs if kept else InputStats.fit(wide[early], columns, genome.bins)
    stage = 0.5 if genome.refit else 1.0
    forest = None
    taught, epochs = early, genome.epochs_max
    if genome.expert == TREES:
        inputs = InputStats.fit(wide, columns, genome.bins)  # the gate stays when the trees are grown again
        forest = grow(genome, inputs, wide[early], y[early], event_time[early], torch.get_num_threads())
        taught, late = halves(late, event_time, y)
        epochs *= bool(y[taught].any())
    later, taught_cost = (wide[late], y[late]), None if cost is None else cost[taught]
    network, epochs = _fit(genome, inputs, task, forest, wide[taught], y[taught], taught_cost, later, epochs,
                           start, device, lambda done: progress(done * stage))  # fmt: skip
    held_out = Agent("", genome, _no_card(names, categorical), inputs, network, Calibration(), forest)
    logits = held_out.logits(x[late])
    newer = halves(late, event_time, y)[1][late]
    calibration, calibrated = fit_calibration(
        _calibration_of(genome), logits, y[late], newer, kept.calibration if kept else None
    )
    metrics = {**figures(calibration.apply(logits), y[late]), **gate_metrics(held_out, x[late], y[late])}
    if genome.refit and forest is not None:
        forest = grow(genome, inputs, wide, y, event_time, torch.get_num_threads())
    elif genome.refit:
        inputs = kept.inputs if kept else InputStats.fit(wide, columns, genome.bins)
        network, _ = _fit(genome, inputs, task, None, wide, y, cost, None, epochs, start, device,
                          lambda done: progress(stage + done * (1 - stage)))  # fmt: skip
    card = DataCard(
        genome=genome.id,
        rows=len(x),
        frauds=int(y.sum()),
        from_event_time=int(event_time.min()),
        to_event_time=int(event_time.max()),
        validation_from_event_time=int(event_time[late].min()) if late.any() else int(cut),
        validation_rows=int(late.sum()),
        validation_frauds=int(y[late].sum()),
        epochs=epochs,
        metrics=metrics,
        tasks=figures_by_task(wide[late][:, inputs.categorical[task]], calibration.apply(logits), y[late])
        if genome.gate == "task_aware" and len(inputs.categorical)
        else {},
        calibration=calibrated,
        feature_names=names,
        categorical=tuple(n for n in names if n in categorical),
        seed=genome.seed,
        warm_start=start.agent.id if start else "",
        selected_features=_selected(genome, network, inputs, wide_names),
        versions=_versions(),
        typical=typical_row(x[~y], [j for j, name in enumerate(names) if name in categorical]),
    )
    progress(1.0)
    agent = Agent("", genome, card, inputs, network, calibration, forest)
    digest = hashlib.sha256(save(all_tensors(agent))).hexdigest()[:8]
    return Agent(f"{genome.id}-{digest}", genome, card, inputs, network, calibration, forest)


def _fit(
    genome: Genome,
    inputs: InputStats,
    task: int,
    forest: Forest | None,
    x: Features,
    y: NDArray[np.bool_],
    cost: NDArray[np.float64] | None,
    later: tuple[Features, NDArray[np.bool_]] | None,
    epochs_max: int,
    start: Start | None,
    device: str,
    progress: Progress,
) -> tuple[Committee, int]:
    """A network, and the number of passes that was best (all of them without a later window)."""
    torch.manual_seed(genome.seed)
    rng = np.random.default_rng(genome.seed)
    # Trees are thinned as they grow, and bring the prior of all rows.
    keep, shift = thinned(y, genome.genuine_per_fraud, rng) if forest is None else (np.arange(len(y)), 0.0)
    weight, from_costs = cost_weights(None if cost is None else cost[keep], y[keep])
    if genome.task_power < 1.0 and len(inputs.categorical):
        weight = weight * task_weights(x[keep, inputs.categorical[task]], genome.task_power)
    rows = _encoded(inputs, forest, x[keep], y[keep], weight, device)
    base = float(np.clip(y[keep].sum() / max(len(keep), 1), 1e-6, 1 - 1e-6))
    sizes = [len(c) + 2 for c in inputs.codes]
    network = Committee(genome, torch.from_numpy(inputs.edges), sizes, _logit(base) - from_costs, task)
    if start is not None:
        start.give(network, inputs, task)
    network.to(device)
    if genome.penalty != "none":
        seen = (rows.numbers, rows.rows, rows.fraud, rows.weight)
        steps = fit_sparse(network, genome, *seen, warm=start is not None)
        return _shifted(network.cpu(), shift + from_costs), steps
    check = (
        _encoded(inputs, forest, *later, np.ones(len(later[1]), np.float32), device)
        if later is not None and later[1].sum() >= FRAUDS_FOR_STOPPING
        else None
    )
    kept = start is not None and start.frozen
    prior = float(network.prior_shift) if kept else shift + from_costs
    # What is frozen was learnt at another share of frauds than these rows have.
    offset = prior - shift - from_costs
    best, best_epoch = _run(genome, network, rows, check, epochs_max, kept, offset, rng, progress)
    network.load_state_dict(best)
    network.requires_grad_(True)  # torch multiplies in another order without, and scores would differ in their last bit
    return _shifted(network.cpu().eval(), prior), best_epoch


def _run(
    genome: Genome,
    network: Committee,
    rows: _Rows,
    check: _Rows | None,
    epochs_max: int,
    kept: bool,
    offset: float,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[dict[str, Tensor], int]:
    optimiser = torch.optim.AdamW(
        _decayed(network, genome.weight_decay), lr=genome.learning_rate, weight_decay=genome.weight_decay
    )
    loss, balance = LOSSES[genome.loss](genome), BALANCES.get(genome.balance)
    average = WeightAverage(network, genome.averaging)
    judged = None if check is None else copy.deepcopy(network)
    best, best_epoch, best_ap = average.weights(), epochs_max, -1.0
    # Before its first pass the gate takes the trees' mean, or all is as in the agent that is kept.
    if check is not None and (kept or genome.expert == TREES):
        best_epoch, best_ap = 0, _ap(network, check)
    for epoch in range(1, epochs_max + 1):
        network.train()
        if not kept:  # by the genome's passes and not this fit's: a second fit of fewer goes the way of the first
            network.anneal((epoch - 1) / max(genome.epochs_max - 1, 1))
        for at in _batches(len(rows), genome.batch, rng):
            optimiser.zero_grad()
            each, log_weights = network.weighed(rows.numbers[at], rows.rows[at], rows.boosted[at])
            # Summed over members, so that each learns as if it were alone.
            fraud, weight = (column[at].unsqueeze(1).expand_as(each) for column in (rows.fraud, rows.weight))
            total = loss(each + offset, fraud, weight) * each.shape[1]
            if balance is not None:
                even = torch.stack([balance(weights.exp()) for weights in log_weights]).sum()
                total = total + genome.balance_weight * even
            total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            average.step()
        progress(epoch / epochs_max)
        if check is None or judged is None:
            continue
        judged.load_state_dict(average.weights())
        ap = _ap(judged, check)
        if ap > best_ap:
            best, best_epoch, best_ap = average.weights(), epoch, ap
        elif epoch - best_epoch >= genome.patience:
            break
    return (average.weights() if check is None else best), best_epoch


def _decayed(network: Committee, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups: an activation's reach is no weight, and decay would pull it back to the plain activation."""
    learning = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    reach = [p for name, p in learning if name.endswith(".alpha")]
    weights = [p for name, p in learning if not name.endswith(".alpha")]
    free: list[dict[str, object]] = [{"params": reach, "weight_decay": 0.0}] if reach else []
    return [{"params": weights, "weight_decay": weight_decay}, *free]


def _ap(network: Committee, rows: _Rows) -> float:
    network.eval()
    with torch.inference_mode():
        cuts = [slice(i, i + 8192) for i in range(0, len(rows), 8192)]
        parts = [network(rows.numbers[at], rows.rows[at], rows.boosted[at]).cpu() for at in cuts]
    return average_precision(rows.fraud.cpu().numpy() > 0, torch.cat(parts).numpy().astype(np.float64))


def _batches(n: int, size: int, rng: np.random.Generator) -> Iterator[Tensor]:
    order = torch.from_numpy(rng.permutation(n))
    yield from (order[i : i + size] for i in range(0, n, size))


def _encoded(
    inputs: InputStats,
    forest: Forest | None,
    x: Features,
    y: NDArray[np.bool_],
    weight: NDArray[np.float32],
    device: str,
) -> _Rows:
    boosted = np.zeros((len(x), 0), np.float32) if forest is None else forest.logits(inputs, x)
    arrays = (boosted, y.astype(np.float32), weight)
    return _Rows(*(t.to(device) for t in (inputs.numbers(x), inputs.rows(x), *map(torch.from_numpy, arrays))))


def _shifted(network: Committee, shift: float) -> Committee:
    """The network with `shift` added to its logit: a buffer, so that it travels with the weights."""
    network.prior_shift.fill_(shift)
    return network


def _calibration_of(genome: Genome) -> Kind | Literal["chosen"]:
    """To be held close to no change, logits must be log odds to begin with."""
    return "platt" if genome.calibration == "steady" and genome.loss != "log" else genome.calibration


def _refuse_hopeless(x: Features, y: NDArray[np.bool_], names: tuple[str, ...]) -> None:
    if not names:
        raise TrainingDataError("features", "none", "at least one")
    if len(x) != len(y):
        raise TrainingDataError("rows", f"{len(x)} rows of features and {len(y)} labels", "as many of each")
    if not y.any() or y.all():
        raise TrainingDataError("labels", f"{int(y.sum())} frauds of {len(y)}", "at least one of each class")


def _no_card(names: tuple[str, ...], categorical: frozenset[str]) -> DataCard:
    """Stands in while the first fit is judged."""
    return DataCard(
        genome="", rows=0, frauds=0, from_event_time=0, to_event_time=0, validation_from_event_time=0,
        validation_rows=0, validation_frauds=0, epochs=0, metrics={}, calibration="", feature_names=names,
        categorical=tuple(sorted(categorical)), seed=0, warm_start="", versions={},
    )  # fmt: skip


def _selected(genome: Genome, network: Committee, inputs: InputStats, names: tuple[str, ...]) -> tuple[str, ...] | None:
    if genome.penalty == "none":
        return None
    place = np.concatenate([inputs.numeric, inputs.categorical])
    return tuple(names[j] for j in sorted(place[selected(network)]))


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}


def _logit(p: float) -> float:
    return float(np.log(p / (1.0 - p)))
