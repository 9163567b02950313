"""Agents in the database."""

import pytest
from msgspec.structs import replace

from rlfa.lineup.slots import AgentId
from rlfa.store.agents import Agents, StoredAgent
from rlfa.store.database import Store, StoreError

AGENT = StoredAgent(
    id=AgentId("moe-1"),
    family="moe",
    genome='{"seed":1}',
    card="{}",
    metrics="{}",
    checksum="ab" * 32,
    uri="agents/moe-1",
    created_at=5,
)


def test_agent_comes_back_as_it_was(store: Store) -> None:
    with store.transaction() as session:
        Agents(session).add(AGENT)
        Agents(session).add(AGENT)
    with store.reading() as session:
        assert Agents(session).get(AGENT.id) == AGENT
        assert Agents(session).all() == [AGENT]


def test_id_never_gets_other_weights(store: Store) -> None:
    with store.transaction() as session:
        Agents(session).add(AGENT)
        with pytest.raises(StoreError, match="agent moe-1: found weights cd"):
            Agents(session).add(replace(AGENT, checksum="cd" * 32))


def test_unknown_agent_is_one_clear_line(store: Store) -> None:
    with (
        store.reading() as session,
        pytest.raises(StoreError, match="allowed: an agent that was trained here"),
    ):
        Agents(session).get(AgentId("nobody"))
