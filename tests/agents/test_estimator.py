"""scikit-learn's own checks, and ours of what it doesn't look at."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.utils.estimator_checks import parametrize_with_checks

from agents.errors import GenomeError
from agents.estimator import MoEClassifier


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([MoEClassifier()])
def test_the_estimator_keeps_scikit_learns_contract(estimator: MoEClassifier, check: object) -> None:
    check(estimator)  # type: ignore[operator]


@pytest.mark.parametrize("parameters", [{"gate": "nobody"}, {"experts": 0}, {"learning_rate": -1.0}])
def test_a_parameter_out_of_its_bounds_is_refused_when_fitting(parameters: dict[str, object]) -> None:
    x, y = make_classification(60, random_state=0)
    with pytest.raises(GenomeError):
        MoEClassifier(**parameters).fit(x, y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="found"):
        MoEClassifier(**parameters).fit(x, y)  # type: ignore[arg-type]


def test_labels_may_be_words() -> None:
    x, y = make_classification(200, random_state=0)
    words = np.where(y == 1, "fraud", "fine")
    fitted = MoEClassifier(epochs_max=10).fit(x, words)
    assert fitted.classes_.tolist() == ["fine", "fraud"]
    assert (fitted.predict(x) == words).mean() > 0.8
