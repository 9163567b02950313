"""The first lineup: one agent per slot, trained on history, and epoch 1 in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from agents.graph import GraphAgent
from agents.model import Agent
from agents.online import OnlineAgent
from agents.weights import load_scorer
from rlfa.config import Service
from rlfa.errors import ConfigError
from rlfa.free_agency.floors import with_floor
from rlfa.free_agency.manager import initial_state
from rlfa.hosts.footprint import measure, on_card
from rlfa.hosts.scoring import AgentRef
from rlfa.hosts.sealed import SealedAgent, SealRules, offline_seal
from rlfa.lineup.plan import Plan, write_plan
from rlfa.lineup.segments import part_of
from rlfa.lineup.slots import AgentId, Day, EventTime, Slot, SlotId
from rlfa.outcomes.journal import DAY_MS
from rlfa.rewards.inefficiency import Footprint
from rlfa.rules.ruleset import NO_RULES, RuleSet
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.database import Store
from rlfa.store.ledger import Ledger, entries_of
from rlfa.store.rules import RuleSets
from rlfa.trainers.first_floors import floors_of_history
from rlfa.trainers.training import keep, train_on, window
from streams.codec import categorical_features

Progress = Callable[[str, float], None]  # slot, fraction done


def train_first_lineup(
    service: Service,
    closed: Sequence[Day],
    first_day: Day,
    *,
    recorded_at: int,
    progress: Progress,
    seed: int = 0,
    rules: RuleSet = NO_RULES,
) -> Plan:
    """Train an agent per slot and begin the ledger with them.

    Args:
        service: settings with `slots` and `genomes`.
        closed: days of history whose labels have matured.
        first_day: of the stream: the first cohort that the manager will judge.
        recorded_at: wall clock, ms UTC.
        progress: told how far each slot's training is.
        seed: for scouting.
        rules: of the user, that act from the first transaction on.

    Raises:
        ConfigError: no slots.
        TrainingError: nothing to train on.
    """
    settings = service.settings
    if not settings.slots:
        raise ConfigError("slots", {}, "at least one slot with the family of its first agent")
    days = window(closed, settings.trainers.window_days)
    refs: dict[str, AgentRef] = {}
    for slot, family in settings.slots.items():
        agent = train_on(
            service.outcomes,
            days,
            settings.genomes[family],
            categorical_features(service.spec),
            settings.free_agency.costs,
            part=part_of(service.spec, settings.segments.get(slot, "")),
            threads=settings.trainers.threads,
            progress=lambda done, slot=slot: progress(slot, done),  # type: ignore[misc]  # bound for this slot
        )
        refs[slot] = keep(agent, service.agents)
    return _begin(service, refs, days, first_day, recorded_at, seed, rules)


def stored(ref: AgentRef, family: str, created_at: int, seal: SealRules | None = None) -> StoredAgent:
    """An agent's record for the store, read from its folder; its footprint is measured here, once.

    Args:
        ref: of the agent.
        family: name of its genome.
        created_at: wall clock, ms UTC.
        seal: how agents from outside are held; None for an agent that was trained here.

    Raises:
        HostError: it gives no score.
        SealError: this machine can't seal it.
    """
    folder = Path(ref.folder)
    agent = load_scorer(folder, ref.checksum)
    card = on_card(agent.card, _footprint(agent, ref, seal), learns=isinstance(agent, OnlineAgent))
    return StoredAgent(
        id=ref.id,
        family=family,
        genome=(folder / "genome.json").read_text(),
        card=msgspec.json.encode(card).decode(),
        metrics=msgspec.json.encode(card.metrics).decode(),
        checksum=ref.checksum,
        uri=ref.folder,
        created_at=created_at,
    )


def _footprint(agent: Agent | GraphAgent | OnlineAgent, ref: AgentRef, seal: SealRules | None) -> Footprint:
    """Of arrays in this process; of what a stranger computes in its sealed one, by the clock on the wall."""
    folder, features = Path(ref.folder), len(agent.feature_names)
    if seal is None or isinstance(agent, Agent):
        return measure(agent, features, folder, time.thread_time)
    sealed = SealedAgent.start(ref.id, ref.folder, ref.checksum, offline_seal(seal))
    try:
        return measure(sealed, features, folder, time.perf_counter)
    finally:
        sealed.close()


def _begin(
    service: Service,
    refs: dict[str, AgentRef],
    days: Sequence[Day],
    first_day: Day,
    recorded_at: int,
    seed: int,
    rules: RuleSet,
) -> Plan:
    settings = service.settings
    slots = [
        Slot(id=SlotId(slot), incumbent=ref.id, weight=1.0 / len(refs), segment=settings.segments.get(slot, ""))
        for slot, ref in refs.items()
    ]
    families = {AgentId(ref.id): settings.slots[slot] for slot, ref in refs.items()}
    state, events = initial_state(slots, families, first_day, seed, rules.id if rules.rules else "")
    floors = floors_of_history(service, days, state.lineup, tuple(refs.values()), rules)
    state = with_floor(state, floors, first_day, settings.free_agency)
    entries = entries_of(events, state, at=EventTime(first_day * DAY_MS), recorded_at=recorded_at, policy="manual")
    store = Store.open(service.database)
    with store.transaction() as session:
        for slot, ref in refs.items():
            Agents(session).add(stored(ref, settings.slots[slot], recorded_at))
        if rules.rules:
            RuleSets(session).add(rules, by="manual", why="the service starts with it", created_at=recorded_at)
        Ledger(session).append(entries)
    store.close()
    plan = Plan(lineup=state.lineup, refs=tuple(refs.values()), rules=rules)
    write_plan(plan, service.lineup_file)
    return plan
