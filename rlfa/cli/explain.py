"""`rlfa explain`: a past decision again, to the same score."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from rlfa.cli.roster import Config, console
from rlfa.config import Service, load_service
from rlfa.hosts.scoring import InlineHost
from rlfa.hosts.sealed import offline_seal
from rlfa.lanes.intake import intake_of
from rlfa.lineup.segments import fields_of
from rlfa.lineup.slots import Day
from rlfa.lineup.wording import Wording
from rlfa.outcomes.audit import Audit
from rlfa.outcomes.explain import Budgeted, Explanation, explain
from rlfa.outcomes.kept import ExplainError, find
from rlfa.rules.again import Ruling
from rlfa.store.agents import Agents, ref_of
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger
from rlfa.store.rules import RuleSets

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def command(
    tx_id: Annotated[str, typer.Argument(help="The transaction's id.")],
    config: Config = Path("rlfa.toml"),
    day: Annotated[str, typer.Option("--day", help="UTC day of the transaction, e.g. 2026-03-01: found sooner.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show a past decision, compute score and reasons again from what was kept, and exit 1 where they differ.

    Example: rlfa explain tx-0000123 --day 2026-03-01
    """
    explained = explain_again(load_service(config), tx_id, _day(day))
    if as_json:
        typer.echo(msgspec.json.encode(explained).decode())
    else:
        _show(explained, console())
    raise typer.Exit(0 if explained.agrees else 1)


def explain_again(service: Service, tx_id: str, day: Day | None) -> Explanation:
    """Find a decision, the lineup of its epoch and its agents' weights, and put them together again.

    Raises:
        RlfaError: the decision, its epoch or an agent isn't kept any more.
        agents.errors.WeightsError: an agent's weights aren't those that decided.
    """
    kept = find(service.journals, service.outcomes, tx_id, day)
    if not kept.epoch:
        raise ExplainError(f"transaction {tx_id!r}", "history that nobody decided on", "a decision of the service")
    store = Store.open(service.database, must_exist=True)
    try:
        with store.reading() as session:
            lineup = Ledger(session).lineup_of(kept.epoch)
            agents = {agent: Agents(session).get(lineup.version_of(agent)) for agent in lineup.deciders}
            ruled = RuleSets(session).get(lineup.rules)
    finally:
        store.close()
    features = intake_of(service).feature_names
    host = InlineHost(features, offline_seal(service.settings.hosts.seal_rules))
    try:
        host.load([ref_of(agent) for agent in agents.values()])
        rules, fields = service.settings.free_agency, fields_of(service.spec, features)
        seed, wording = rules.exploration.seed, Wording.of(service.spec)
        return explain(kept, lineup, agents, host, fields, seed, rules.costs, wording, ruled)
    finally:
        host.load([])


def _day(text: str) -> Day | None:
    if not text:
        return None
    try:
        return Day((date.fromisoformat(text) - date(1970, 1, 1)).days)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, allowed: a day such as 2026-03-01", param_hint="--day") from error


def _show(e: Explanation, out: Console) -> None:
    unknown = "not known yet" if e.kept_in == "journal" else "never known, it was declined"
    label = {None: unknown, True: "fraud", False: "genuine"}[e.label]
    out.print(f"{e.tx_id} at {_time(e.event_time)}, amount {e.amount:.2f}, from the {e.kept_in}; label: {label}")
    out.print(f"{e.action} at score {e.score:.6f} in epoch {e.epoch}{', degraded' if e.degraded else ''}")
    if e.explored_again is not None:
        drawn = "a would-be decline that passed" if e.explored else "a decline that might have passed"
        again = "the draw repeats" if e.explored_again == e.explored else "THE DRAW COMES OUT DIFFERENTLY"
        out.print(f"exploration: {drawn}, propensity {e.propensity:g}; {again}")
    if e.budget is not None:
        out.print(f"alert budget: {_budget(e.budget)}")
    if e.ruling is not None:
        out.print(f"rules: {_ruling(e.ruling)}")
    table = Table("slot", "agent", "weight", "score", "again", "weights' checksum", "trained on", title="lineup")
    for v in e.votes:
        window = f"{_time(v.trained_from)[:10]} to {_time(v.trained_to)[:10]}"
        table.add_row(v.slot, v.agent, f"{v.weight:.4g}", _p(v.score), _p(v.score_again), v.checksum[:16], window)
    out.print(table)
    for line in _why(e.audit):
        out.print(line, markup=False)
    if e.audit_repeats is not None:
        out.print(f"reasons as sent: {'they repeat' if e.audit_repeats else 'THEY COME OUT DIFFERENTLY'}")
    apart = "" if e.agreement == "bit-equal" else f", largest difference {e.largest_difference:.2g}"
    out.print(f"computed again: {e.score_again:.6f}, {e.agreement}{apart}")


def _why(audit: Audit) -> list[str]:
    """Logits from a typical genuine payment to this one, and who spoke in each agent."""
    lines = [f"  {audit.start:+7.3f}  a typical genuine payment"]
    lines += [f"  {r.contribution:+7.3f}  {r.text or r.feature}" for r in audit.reasons]
    lines += [f"  {audit.rest:+7.3f}  all other features", f"  {audit.logit:+7.3f}  the lineup's logit"]
    for agent, gate in audit.gates.items():
        weights = " ".join(f"{weight:.2f}" for weight in gate.weights)
        lines.append(f"  {agent}: expert {gate.expert} of {len(gate.weights)} spoke; the gate's weights: {weights}")
    return lines


def _budget(b: Budgeted) -> str:
    floor = (
        "the hard stop of the day" if b.stopped else "no floor yet" if b.floor is None else f"the floor {b.floor:.6g}"
    )
    what = f"worth {b.worth:.6g} against {floor}: {'approved for its sake' if b.over else 'within it'}"
    return what if b.over == b.over_again else f"{what}; COMPARED AGAIN IT COMES OUT DIFFERENTLY"


def _ruling(r: Ruling) -> str:
    by = f"{r.decided_by} decided ({r.reason})" if r.decided_by else "the lineup decided"
    hits = f"; hit: {', '.join(r.hits)}" if r.hits else "; none hit"
    off = f"; suspended: {', '.join(r.suspended)}" if r.suspended else ""
    again = "the same again" if r.repeats else "AGAIN THEY COME OUT DIFFERENTLY"
    return f"{by}{hits}{off}; set {r.rules}; {again}"


def _p(score: float | None) -> str:
    return "none" if score is None else f"{score:.6f}"


def _time(ms: int) -> str:
    return f"{np.datetime64(int(ms), 'ms')}"
