"""docs/how-to/observe.md has every series, and its queries, the dashboard's and the alerts' ask for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser as promql
import pytest
import yaml
from typer.testing import CliRunner

from rlfa.cli import app
from rlfa.metrics.series import SERIES, Series

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "observe.md"
TABLE = re.compile(r"(<!-- series: .*? -->\n).*?(<!-- end of series -->)", re.DOTALL)
OWN = {"process_resident_memory_bytes"}  # of the endpoint's process, by prometheus-client
INTERVAL = re.compile(r"\$__rate_interval")


def table() -> str:
    def row(series: Series) -> str:
        labels = ", ".join(f"`{label}`" for label in series.labels)
        return f"| `{series.name}` | {series.kind} | {labels} | {series.meaning} |"

    return "\n".join(["| series | kind | labels | meaning |", "|---|---|---|---|", *map(row, SERIES)]) + "\n"


def served() -> set[str]:
    """Names that a query may ask for."""
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {s.name + end for s in SERIES for end in parts.get(s.kind, ("",))} | OWN


def asked(query: str) -> set[str]:
    """Names of a query that Prometheus would take."""
    return set(names(promql.parse(INTERVAL.sub("5m", query))))


def names(expression: object) -> Iterator[str]:
    match expression:
        case promql.VectorSelector():
            yield expression.name
        case promql.MatrixSelector():
            yield expression.vector_selector.name
        case promql.AggregateExpr() | promql.ParenExpr() | promql.SubqueryExpr() | promql.UnaryExpr():
            yield from names(expression.expr)
        case promql.BinaryExpr():
            yield from names(expression.lhs)
            yield from names(expression.rhs)
        case promql.Call():
            for argument in expression.args:
                yield from names(argument)


def printed(command: str) -> str:
    return CliRunner().invoke(app, ["metrics", command]).stdout


def panels() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(printed("dashboard"))["panels"]
    return found


def dashboard_queries() -> list[str]:
    notes = json.loads(printed("dashboard"))["annotations"]["list"]
    return [t["expr"] for p in panels() for t in p.get("targets", [])] + [n["expr"] for n in notes]


def alerts() -> list[dict[str, object]]:
    return [rule for group in yaml.safe_load(printed("alerts"))["groups"] for rule in group["rules"]]


def test_the_page_has_every_series(request: pytest.FixtureRequest) -> None:
    wanted = TABLE.sub(lambda found: found[1] + table() + found[2], PAGE.read_text())
    if request.config.getoption("--golden-rewrite"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "run `make golden` and read the difference"


def test_the_dashboard_asks_for_nothing_that_is_not_served_and_leaves_nothing_out() -> None:
    found = set().union(*map(asked, dashboard_queries()))
    assert found <= served()
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}
    assert {s.name for s in SERIES} - whole == {"rlfa_build_info"}


def test_the_dashboards_panels_have_numbers_and_places_of_their_own() -> None:
    assert len({p["id"] for p in panels()}) == len(panels())
    cells = [
        (x, y)
        for place in (p["gridPos"] for p in panels())
        for x in range(place["x"], place["x"] + place["w"])  # type: ignore[index]
        for y in range(place["y"], place["y"] + place["h"])  # type: ignore[index]
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_alerts_ask_for_what_is_served_and_say_what_to_do() -> None:
    for rule in alerts():
        assert asked(str(rule["expr"])) <= served(), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}  # type: ignore[call-overload]
        assert rule["labels"]["severity"] in {"page", "ticket"}  # type: ignore[index]
        assert re.fullmatch(r"\d+[smh]", str(rule.get("for", "0s")))


def test_each_trouble_has_its_alert() -> None:
    wanted = {
        "RlfaBehind", "RlfaNoDecisions", "RlfaDeadLetters", "RlfaStoreAway", "RlfaGuardFailed", "RlfaWatchdog",
    }  # fmt: skip
    assert wanted <= {rule["alert"] for rule in alerts()}


def test_the_pages_queries_ask_for_what_is_served() -> None:
    rows = re.findall(r"^\| [^`|]+ \| `(.*)` \|$", PAGE.read_text().split("Some questions")[1], re.MULTILINE)
    assert rows
    for query in rows:
        assert asked(query.replace("\\|", "|")) <= served()


def test_a_query_of_a_name_that_is_not_served_would_be_found() -> None:
    assert asked("sum(rate(rlfa_decision_total[5m])) / (1 + rlfa_up)") - served() == {"rlfa_decision_total"}
