"""The code of docs/how-to/genes-from-data.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "genes-from-data.md"


@pytest.mark.usefixtures("one_thread")
def test_the_page_takes_its_genes_from_data() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(600, 3)), rng.integers(1, 4, 600)]).astype(np.float32)
    fraud = rng.random(600) < 1 / (1 + np.exp(2 - 2 * x[:, 0]))
    new_x = x[:40].copy()
    new_x[:, 3] = 9.0
    known: dict[str, Any] = {
        "x": x, "fraud": fraud, "event_time": np.arange(600), "names": ("a", "b", "c", "channel"),
        "categorical": frozenset({"channel"}), "new_x": new_x, "new_fraud": fraud[:40],
    }  # fmt: skip
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    exec("\n".join(blocks), known)
    assert known["choice"].genome.penalty_experts in {0.25, 1.0}
    assert np.array_equal(known["wider"].logits(x), known["agent"].logits(x))
    assert known["wider"].card.warm_start == known["agent"].id
