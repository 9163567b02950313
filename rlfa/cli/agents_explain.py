"""`rlfa agents explain`: what an agent looks at, which experts count, and whether its scores mean what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from agents.data_card import DataCard
from agents.graph import GraphAgent
from agents.model import Agent, Features
from agents.online import OnlineAgent
from agents.portrait import Curves, Portrait, overhear, portray
from agents.weights import load_scorer
from rlfa.cli.portrait_drawing import page, svg
from rlfa.cli.roster import AsJson, Config, Database, console
from rlfa.config import load_service
from rlfa.errors import NotAllowedError
from rlfa.hosts.scoring import UNKNOWN_CODE, AgentRef
from rlfa.hosts.sealed import SealedAgent, SealRules, offline_seal
from rlfa.lineup.slots import DAY_MS, AgentId, Day, date_of
from rlfa.outcomes import log
from rlfa.outcomes.log import TrainingSet
from rlfa.store.agents import Agents, StoredAgent, ref_of
from rlfa.store.database import Store

SHOWN = 15  # features in the terminal
CURVES_SHOWN = 3  # for each output
BARS = "▁▂▃▄▅▆▇█"
DRAWINGS = (".html", ".svg")


class PortraitError(NotAllowedError):
    """An agent that can't be looked at: where, found, allowed."""


def explain_agent(
    agent: Annotated[str, typer.Argument(help="The agent's id.")],
    config: Config = Path("rlfa.toml"),
    database: Database = "",
    out: Annotated[Path | None, typer.Option("--out", help="Draw it into this .svg or .html file.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="Newest closed days to look at.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Show what an agent does: its gate by expert and class, what each feature moves, calibration, and curves.

    Example: rlfa agents explain softmax-mlp-periodic-3f2a --out agent.html
    """
    if out is not None and out.suffix not in DRAWINGS:
        raise typer.BadParameter(f"found {out.suffix!r}, allowed: {' or '.join(DRAWINGS)}", param_hint="--out")
    service = load_service(config)
    record = _record(database or service.database, AgentId(agent))
    ref = ref_of(record)
    loaded = load_scorer(Path(ref.folder), ref.checksum)
    newest = log.closed_days(service.outcomes)[-days:]
    rows = log.load_training([log.path_of(service.outcomes, day) for day in newest]) if newest else None
    x, fraud = _seen_by(loaded, ref, rows)
    if isinstance(loaded, Agent):
        portrait = portray(loaded, x, fraud)
    else:
        portrait = _overheard(ref, loaded, x, fraud, offline_seal(service.settings.hosts.seal_rules))
    facts = _facts(loaded, record, newest, portrait)
    if out is not None:
        out.write_text(page(portrait, facts) if out.suffix == ".html" else svg(portrait))
    if as_json:
        typer.echo(msgspec.json.encode(portrait).decode())
    else:
        _show(portrait, facts, console())


def _overheard(
    ref: AgentRef, agent: GraphAgent | OnlineAgent, x: Features, fraud: NDArray[np.bool_], seal: SealRules
) -> Portrait:
    """What a stranger computes runs in its sealed process only, which tells nothing but scores."""
    sealed = SealedAgent.start(ref.id, ref.folder, ref.checksum, seal)
    try:
        return overhear(agent.id, agent.genome.id, agent.feature_names, sealed.logits, x, fraud)
    finally:
        sealed.close()


def _record(database: str, agent: AgentId) -> StoredAgent:
    store = Store.open(database, must_exist=True)
    try:
        with store.reading() as session:
            found = next((a for a in Agents(session).all() if a.id == agent), None)
    finally:
        store.close()
    if found is None:
        raise PortraitError("agents", repr(str(agent)), "an agent that `rlfa agents list` shows")
    return found


def _seen_by(
    agent: Agent | GraphAgent | OnlineAgent, ref: AgentRef, rows: TrainingSet | None
) -> tuple[Features, NDArray[np.bool_]]:
    """The rows as the agent sees them, float32[n, d], and their truth bool[n]; what it may not see is missing.

    Raises:
        PortraitError: the log lacks a feature of its.
    """
    if rows is None:
        return np.zeros((0, len(agent.feature_names)), np.float32), np.zeros(0, np.bool_)
    missing = sorted(set(agent.feature_names) - set(rows.feature_names))
    if missing:
        raise PortraitError("outcome log", f"no {', '.join(missing[:5])}", "the agent's features")
    x = rows.features[:, [rows.feature_names.index(name) for name in agent.feature_names]]
    for j, name in enumerate(agent.feature_names):
        if ref.visible and name not in ref.visible:
            x[:, j] = UNKNOWN_CODE if name in agent.categorical else np.nan
    return x, rows.fraud


def _facts(
    agent: Agent | GraphAgent | OnlineAgent, record: StoredAgent, days: list[Day], portrait: Portrait
) -> dict[str, str]:
    card: DataCard = agent.card
    first, last = (date_of(Day(ms // DAY_MS)) for ms in (card.from_event_time, card.to_event_time))
    genome = agent.genome
    made = f"{genome.gate} gate over {genome.experts} {genome.expert} experts, {genome.members} times"
    seen = f"{portrait.rows} matured transactions, {portrait.frauds} frauds"
    return {
        "agent": agent.id,
        "family": record.family,
        "made of": made if isinstance(agent, Agent) else "a graph from another library: it tells nothing but scores",
        "trained on": f"{first} to {last}, {card.rows} transactions, {card.frauds} frauds",
        "calibration": card.calibration,
        "looked at": f"{date_of(days[0])} to {date_of(days[-1])}, {seen}" if days else "no closed day: weights alone",
    }


def _show(portrait: Portrait, facts: dict[str, str], out: Console) -> None:
    for name, value in facts.items():
        out.print(f"{name}: {value}", highlight=False)
    if portrait.experts:
        out.print(_expert_table(portrait))
    if portrait.features:
        out.print(_feature_table(portrait))
        unused = [f.feature for f in portrait.features if not f.used]
        out.print(f"not used: {', '.join(unused) or 'none'}", highlight=False)
    if portrait.bins:
        out.print(_calibration_table(portrait))
    if portrait.deltas:
        sizes = ", ".join(f"{size:.3f}" for size in portrait.deltas)
        out.print(f"deltas, against the layer that they change: {sizes}", highlight=False)
    for curves in portrait.curves:
        out.print(_curve_table(curves))


def _expert_table(portrait: Portrait) -> Table:
    table = Table("expert", "weight", "among frauds", "among genuine", "spoke for frauds", "", title="gate")
    for e in portrait.experts:
        name = f"{e.member}.{e.expert}"
        numbers = (_share(v) for v in (e.weight, e.weight_fraud, e.weight_genuine, e.spoke_fraud))
        table.add_row(name, *numbers, "dead" if e.dead else "")
    return table


def _feature_table(portrait: Portrait) -> Table:
    table = Table("feature", "moves the logit", "the experts", "the gate", title="exchanged among the rows")
    for f in portrait.features[:SHOWN]:
        table.add_row(f.feature, f"{f.logit:.3f}", f"{f.experts:.3f}", f"{f.gate:.3f}")
    return table


def _calibration_table(portrait: Portrait) -> Table:
    table = Table("rows", "predicted", "seen", title="calibration")
    for b in portrait.bins:
        table.add_row(str(b.rows), f"{b.predicted:.5f}", f"{b.seen:.5f}")
    return table


def _curve_table(curves: Curves) -> Table:
    title = f"curves of member {curves.member}, layer {curves.layer}, over the {curves.axis}"
    table = Table("output", "input", "curve", "from", "to", title=title)
    for o, output in enumerate(curves.outputs):
        for i in curves.strongest(o, CURVES_SHOWN):
            curve = curves.values[o][i]
            table.add_row(output, curves.inputs[i], _bars(curve), f"{min(curve):.3f}", f"{max(curve):.3f}")
    return table


def _bars(curve: tuple[float, ...]) -> str:
    low, high = min(curve), max(curve)
    height = (high - low) or 1.0
    return "".join(BARS[round((v - low) / height * (len(BARS) - 1))] for v in curve[::2])


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
