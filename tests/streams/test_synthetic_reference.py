"""docs/reference/simulator.md names every parameter with its default, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from streams.synthetic import Scenario
from streams.synthetic.scenario import (
    AccountTakeover,
    Campaign,
    CardTesting,
    Change,
    CompromisedTerminal,
    LabelDelays,
    MerchantCollusion,
    StolenCard,
)

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulator.md"
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "scenario": Scenario,
    "labels": LabelDelays,
    "campaigns": Campaign,
    "stolen_card": StolenCard,
    "compromised_terminal": CompromisedTerminal,
    "card_testing": CardTesting,
    "account_takeover": AccountTakeover,
    "merchant_collusion": MerchantCollusion,
    "changes": Change,
}
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", re.MULTILINE)


def documented(section: str) -> dict[str, str]:
    text = PAGE.read_text().split(f"### `{section}`", 1)[1].split("\n##", 1)[0]
    return {name: default.strip("`") for name, default, _ in ROW.findall(text)}


def own_fields(struct: type[msgspec.Struct]) -> dict[str, object]:
    """Fields with defaults; of a kind, those that it adds to a campaign's or gives another default."""
    common = {field.name: field.default for field in msgspec.structs.fields(Campaign)}
    fields = {field.name: field.default for field in msgspec.structs.fields(struct)}
    if struct is Campaign or not issubclass(struct, Campaign):
        return fields
    return {name: default for name, default in fields.items() if common.get(name, ...) != default}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_lists_exactly_the_parameters(section: str) -> None:
    assert set(documented(section)) == set(own_fields(SECTIONS[section]))


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_gives_the_defaults_of_numbers(section: str) -> None:
    page = documented(section)
    for name, default in own_fields(SECTIONS[section]).items():
        if isinstance(default, int | float):
            assert float(page[name]) == default, name


def test_every_kind_of_campaign_has_its_section() -> None:
    kinds = {struct.__struct_config__.tag for struct in SECTIONS.values() if issubclass(struct, Campaign)}
    assert {kind for kind in kinds if kind} - {"Campaign"} <= set(SECTIONS)
