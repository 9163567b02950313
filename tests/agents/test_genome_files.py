"""A genome from a file, and the schema that ships."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

import agents
from agents.errors import GenomeError
from agents.genome import Genome, read_genome_file

SCHEMA = Path(agents.__file__).parent / "genome.schema.json"


def test_the_shipped_schema_is_that_of_the_genome(request: pytest.FixtureRequest) -> None:
    wanted = json.dumps(msgspec.json.schema(Genome), indent=2, ensure_ascii=False) + "\n"
    if request.config.getoption("--golden-rewrite"):
        SCHEMA.write_text(wanted)
    assert SCHEMA.read_text() == wanted, "run `make golden` and read the difference"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("genome.toml", 'gate = "top_k"\nexperts = 8\ntop_k = 3\nfeatures = ["a", "b"]\nbalance = "switch"\n'),
        ("genome.json", '{"gate": "top_k", "experts": 8, "top_k": 3, "features": ["a", "b"], "balance": "switch"}'),
    ],
)
def test_a_genome_is_read_from_its_file(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    genome = Genome(gate="top_k", experts=8, top_k=3, features=("a", "b"), balance="switch")
    assert read_genome_file(tmp_path / name) == genome


def test_the_schema_allows_what_the_genome_allows_and_refuses_the_rest() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(json.loads(msgspec.json.encode(Genome())), schema)
    for wrong in ({"gate": "sigmoid"}, {"experts": 0}, {"gat": "softmax"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("g.yaml", "", "allowed: .toml or .json"),
        ("g.toml", "= 1", "allowed: the genes"),
        ("g.json", '{"gate": "sigmoid"}', "sigmoid"),
        ("g.json", '{"gate": "top_k", "experts": 3, "top_k": 4}', "at most the 3 experts"),
    ],
)
def test_a_file_that_is_no_genome_is_refused_in_one_line(name: str, text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(GenomeError) as refused:
        read_genome_file(tmp_path / name)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match="allowed: a readable file"):
        read_genome_file(tmp_path / "none.toml")
