"""scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from agents.estimator import MoEClassifier


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([MoEClassifier()])
def test_the_estimator_keeps_scikit_learns_contract(estimator: MoEClassifier, check: object) -> None:
    check(estimator)  # type: ignore[operator]
