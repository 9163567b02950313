"""Bring an agent: a model of another library becomes a folder that `rlfa agents import` takes, without a pickle."""

from agents.bring.brought import Brought
from agents.bring.from_lightgbm import agent_from_lightgbm
from agents.bring.from_river import agent_from_river, learned
from agents.bring.from_sklearn import agent_from_sklearn
from agents.bring.rows import Rows

__all__ = ["Brought", "Rows", "agent_from_lightgbm", "agent_from_river", "agent_from_sklearn", "learned"]
