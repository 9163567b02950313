"""A report of several tables, from its file to the page."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.harness import Report


def test_each_section_of_a_report_is_a_table_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = argparse.Namespace(json=tmp_path / "both.json", seed=0, data=None)
    report = Report("both", args, ("a", "b"))
    report.row(a=1, b="x")
    report.section("More of it", ("c",)).row(c=0.25)
    report.finish()
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "PAGE", tmp_path / "page.md")
    tables.main()
    page = (tmp_path / "page.md").read_text()
    assert "| a | b |\n| --- | --- |\n| 1 | x |\n" in page
    assert "### More of it\n\n| c |\n| --- |\n| 0.25 |\n" in page
