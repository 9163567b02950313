"""The AP of the last three days on every stream, the methods over each other, as a small SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("svg")
from matplotlib import pyplot as plt

from benchmarks.drift.cache import Measured

SHOWN = {
    "LightGBM, static": "#bbbbbb",
    "LightGBM, every day": "#4c72b0",
    "River, adaptive random forest": "#dd8452",
    "RLFA, free agency": "#c44e52",
}
COLUMNS = 3


def draw(path: Path, found: Mapping[str, Mapping[str, Measured]], changes: Mapping[str, tuple[int, ...]]) -> None:
    """Write the file.

    Args:
        path: of the SVG.
        found: by stream and method.
        changes: days of each stream on which its fraud changes.
    """
    # The same figures make the same file: no date, ids from a salt, letters as text.
    mpl.rcParams.update({"svg.hashsalt": "rlfa", "svg.fonttype": "none", "font.size": 8, "path.simplify": True})
    rows = -(-len(found) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(3.6 * COLUMNS, 2.2 * rows), squeeze=False)
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    for axis, (stream, methods) in zip(axes.flat, found.items(), strict=False):
        for day in changes.get(stream, ()):
            axis.axvline(day, color="black", linewidth=0.7, linestyle=":")
        for name, color in SHOWN.items():
            if name in methods:
                curve = np.array([np.nan if v is None else round(v, 3) for v in methods[name].curve])
                axis.plot(methods[name].days, curve, color=color, linewidth=1.0, label=name)
        axis.set_title(stream)
        axis.set_ylim(0, 1)
    axes[0][0].set_ylabel("AP of the last 3 days")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
