"""TabM as its authors publish it: 16 networks that share their weights, over piecewise-linear embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from rtdl_num_embeddings import PiecewiseLinearEmbeddings, compute_bins
from sklearn.preprocessing import StandardScaler
from tabm import TabM

NETWORKS, EMBEDDING, BATCH, SCORE_ROWS = 16, 8, 256, 4096
TREE = {"min_samples_leaf": 32, "min_impurity_decrease": 1e-5}  # that cuts a feature into bins


def fit_tabm(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    seed: int,
    *,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    width: int,
    blocks: int,
    dropout: float,
    bins: int,
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """A fitted scorer: the mean of the networks' probabilities, each trained by a loss of its own.

    Source: Gorishniy, Kotelnikov, Babenko 2025, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
    Ensembling", and the package of its authors.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    median = np.nan_to_num(np.nanmedian(x, axis=0))
    filled = np.where(np.isnan(x), median, x)
    scaler = StandardScaler().fit(_logarithms(filled))

    def prepared(z: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(scaler.transform(_logarithms(np.where(np.isnan(z), median, z))).astype(np.float32))

    numbers, truth = prepared(x), torch.from_numpy(y.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns with fewer values than bins
        edges = compute_bins(
            numbers, n_bins=bins, y=torch.from_numpy(y.astype(np.int64)), regression=False, tree_kwargs=TREE
        )
    embeddings = PiecewiseLinearEmbeddings(edges, d_embedding=EMBEDDING, activation=False, version="B")
    model = TabM.make(
        n_num_features=x.shape[1], num_embeddings=embeddings, d_out=1, k=NETWORKS, n_blocks=blocks, d_block=width,
        dropout=dropout,
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(x)))
        for at in order.split(BATCH):
            optimiser.zero_grad()
            each = model(numbers[at]).squeeze(-1)
            target = truth[at].unsqueeze(1).expand_as(each)
            torch.nn.functional.binary_cross_entropy_with_logits(each, target).backward()
            optimiser.step()
    model.eval()

    def score(z: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [model(part).squeeze(-1).sigmoid().mean(dim=1) for part in prepared(z).split(SCORE_ROWS)]
        return torch.cat(parts).numpy().astype(np.float64)

    return score


def _logarithms(x: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = x.astype(np.float64)
    return np.sign(wide) * np.log1p(np.abs(wide))
