"""Figures by week as the points of a small SVG, drawn by the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 240, 56, 12, 12, 28
COLOURS = ("#1b6ca8", "#c0582b", "#5a7d2a", "#8a8a8a")
LABELS_MAX = 8  # dates along the axis


@dataclass(frozen=True, slots=True)
class Line:
    """One method: its strokes, since a week without a figure interrupts it."""

    name: str
    colour: str
    strokes: tuple[str, ...]
    """Each the `points` of a polyline."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place along an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[float, ...]
    """Where something happened, such as a swap."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def chart(
    title: str, dates: Sequence[str], series: Mapping[str, Sequence[float | None]], marks: Sequence[float] = ()
) -> Chart:
    """Lines over weeks, from 0 up.

    Args:
        title: what is drawn.
        dates: of the m weeks.
        series: m values by method, None where there is none.
        marks: places among the weeks, 0 the first, that get a vertical line.
    """
    top_value = _round_up(max((v for values in series.values() for v in values if v is not None), default=1.0))
    step = max(1, -(-len(dates) // LABELS_MAX))
    lines = [
        Line(name, COLOURS[i % len(COLOURS)], tuple(_strokes(values, top_value)))
        for i, (name, values) in enumerate(series.items())
    ]
    return Chart(
        title=title,
        lines=tuple(lines),
        x_ticks=tuple(Tick(_x(i, len(dates)), dates[i]) for i in range(0, len(dates), step)),
        y_ticks=tuple(Tick(_y(top_value * k / 4, top_value), f"{top_value * k / 4:.3g}") for k in range(5)),
        marks=tuple(_x(mark, len(dates)) for mark in marks),
    )


def _strokes(values: Sequence[float | None], top_value: float) -> list[str]:
    strokes: list[list[str]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            strokes.append([])
        else:
            strokes[-1].append(f"{_x(i, len(values)):.1f},{_y(value, top_value):.1f}")
    return [" ".join(points) for points in strokes if points]


def _x(place: float, weeks: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place / max(weeks - 1, 1))


def _y(value: float, top_value: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / top_value)


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 1.0
    while power < value:
        power *= 10.0
    while power / 10.0 >= value > 0.0:
        power /= 10.0
    return next(power * part for part in (0.1, 0.2, 0.25, 0.5, 1.0) if power * part >= value)
