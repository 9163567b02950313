"""An agent's portrait as one SVG, and as a page around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from agents.portrait import Curves, Portrait

WIDTH, MARGIN, LINE = 760, 16, 18
LABEL = 210  # pixels left of the bars
FEATURES_SHOWN, CURVES_SHOWN = 20, 8
FRAUD, GENUINE, PLAIN, FAINT = "#c0582b", "#1b6ca8", "#5a7d2a", "#bbbbbb"
SIDE = 240  # of the calibration's square
CELL, CELL_HEIGHT = 84, 62
STYLE = "<style>text{font:11px system-ui,sans-serif;fill:#333}.h{font-size:14px;font-weight:600}</style>"
CSS = "body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}" \
      "th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}"  # fmt: skip


class _Sheet:
    """Marks one below the other."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.y = MARGIN

    def text(self, x: float, y: float, text: str, *, heading: bool = False, end: bool = False) -> None:
        kind = ' class="h"' if heading else ""
        anchor = ' text-anchor="end"' if end else ""
        self.marks.append(f'<text x="{x:.1f}" y="{y:.1f}"{kind}{anchor}>{escape(text)}</text>')

    def heading(self, text: str) -> None:
        self.y += LINE
        self.text(MARGIN, self.y, text, heading=True)
        self.y += LINE // 2

    def bar(self, y: float, length: float, colour: str) -> None:
        wide = max(length, 0.0) * (WIDTH - LABEL - 4 * MARGIN - 40)
        self.marks.append(f'<rect x="{LABEL}" y="{y:.1f}" width="{wide:.1f}" height="7" fill="{colour}"/>')

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>')

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        self.marks.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="{FAINT}" stroke-width="0.6"/>'
        )


def svg(portrait: Portrait) -> str:
    """The gate's weights by class, what each feature moves, calibration, and curves where there are any."""
    sheet = _Sheet()
    sheet.heading(portrait.agent)
    if portrait.experts:
        _draw_experts(sheet, portrait)
    if portrait.features:
        _draw_features(sheet, portrait)
    if portrait.bins:
        _draw_calibration(sheet, portrait)
    for curves in portrait.curves:
        _draw_curves(sheet, curves)
    height = sheet.y + MARGIN
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{STYLE}\n' + "\n".join(sheet.marks) + "\n</svg>\n"


def page(portrait: Portrait, facts: Mapping[str, str]) -> str:
    """HTML with the facts above the drawing; it loads nothing."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>\n" for name, value in facts.items())
    unused = ", ".join(f.feature for f in portrait.features if not f.used)
    note = f"<p>Features that change nothing: {escape(unused)}</p>\n" if unused else ""
    head = f'<meta charset="utf-8"><title>{escape(portrait.agent)}</title><style>{CSS}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        f"<h1>An agent's portrait</h1>\n<table>\n{rows}</table>\n{note}{svg(portrait)}</body></html>\n"
    )


def _draw_experts(sheet: _Sheet, portrait: Portrait) -> None:
    sheet.heading("gate: mean weight of each expert among frauds (upper bar) and among genuine rows (lower)")
    for e in portrait.experts:
        dead = ", dead" if e.dead else ""
        sheet.text(LABEL - 8, sheet.y + 12, f"expert {e.member}.{e.expert}{dead}", end=True)
        for below, weight, colour in ((0, e.weight_fraud, FRAUD), (8, e.weight_genuine, GENUINE)):
            if weight is not None:
                sheet.bar(sheet.y + 2 + below, weight, colour)
        sheet.y += LINE + 2


def _draw_features(sheet: _Sheet, portrait: Portrait) -> None:
    sheet.heading("mean change where a feature is exchanged among the rows: of the logit, and of the gate's weights")
    largest = max(f.logit for f in portrait.features) or 1.0
    for f in portrait.features[:FEATURES_SHOWN]:
        sheet.text(LABEL - 8, sheet.y + 12, f.feature, end=True)
        sheet.bar(sheet.y + 2, f.logit / largest, PLAIN)
        sheet.bar(sheet.y + 10, f.gate, GENUINE)
        sheet.text(WIDTH - MARGIN, sheet.y + 12, f"{f.logit:.3f} / {f.gate:.3f}", end=True)
        sheet.y += LINE + 2


def _draw_calibration(sheet: _Sheet, portrait: Portrait) -> None:
    sheet.heading("calibration: share of fraud seen (up) against predicted (right), square roots on both axes")
    left, top = LABEL, sheet.y + 6
    most = max(max(b.predicted, b.seen) for b in portrait.bins) ** 0.5 or 1.0

    def place(predicted: float, seen: float) -> tuple[float, float]:
        return left + SIDE * predicted**0.5 / most, top + SIDE * (1.0 - seen**0.5 / most)

    sheet.frame(left, top, SIDE, SIDE)
    sheet.line([place(0.0, 0.0), place(most**2, most**2)], FAINT)
    sheet.line([place(b.predicted, b.seen) for b in portrait.bins], FRAUD)
    for b in portrait.bins:
        x, y = place(b.predicted, b.seen)
        sheet.marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{FRAUD}"/>')
    sheet.text(left - 8, top + 10, f"{most**2:.3f}", end=True)
    sheet.text(left - 8, top + SIDE, "0", end=True)
    sheet.y = top + SIDE


def _draw_curves(sheet: _Sheet, curves: Curves) -> None:
    """A row of small curves for each output, its strongest inputs from left to right, all on one scale."""
    sheet.heading(f"member {curves.member}, layer {curves.layer}: curves over the {curves.axis}")
    chosen = [curves.strongest(o, CURVES_SHOWN) for o in range(len(curves.outputs))]
    every = [v for o, inputs in enumerate(chosen) for i in inputs for v in curves.values[o][i]]
    low, high = min(every), max(every)
    span = (high - low) or 1.0
    sheet.text(MARGIN, sheet.y + 12, f"from {low:.3g} to {high:.3g}, at {curves.at[0]:.3g} to {curves.at[-1]:.3g}")
    sheet.y += LINE
    for o, inputs in enumerate(chosen):
        sheet.text(MARGIN, sheet.y + 30, curves.outputs[o])
        for column, i in enumerate(inputs):
            x = 80 + column * CELL
            points = [
                (x + (CELL - 6) * k / (len(curves.at) - 1), sheet.y + (CELL_HEIGHT - 20) * (1.0 - (v - low) / span))
                for k, v in enumerate(curves.values[o][i])
            ]
            sheet.frame(x, sheet.y, CELL - 6, CELL_HEIGHT - 20)
            sheet.line(points, GENUINE)
            sheet.text(x, sheet.y + CELL_HEIGHT - 8, curves.inputs[i][:14])
        sheet.y += CELL_HEIGHT
