"""Relevance of a source: does the score order features as their use orders them?"""

import numpy as np
import pytest

from platform.training.relevance import log_me, ridge_probe


def made_up(noise: float, seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, 12))
    targets = features @ rng.standard_normal((12, 5)) + noise * rng.standard_normal((n, 5))
    return features, targets


def probe(features: np.ndarray, targets: np.ndarray) -> float:
    """Of rows that are clips of their own."""
    return ridge_probe(features, targets, np.arange(len(features)))


@pytest.mark.parametrize("score", [log_me, probe])
def test_less_noise_scores_higher(score: object) -> None:
    values = [score(*made_up(noise)) for noise in (0.1, 1.0, 10.0)]  # type: ignore[operator]
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("score", [log_me, probe])
def test_features_that_say_nothing_score_lowest(score: object) -> None:
    features, targets = made_up(0.5)
    unrelated = np.random.default_rng(9).standard_normal(features.shape)
    assert score(features, targets) > score(unrelated, targets)  # type: ignore[operator]


def test_a_dead_source_is_not_better_than_noise() -> None:
    features, targets = made_up(0.5)
    dead = log_me(np.ones_like(features), targets)
    assert np.isfinite(dead)
    unrelated = log_me(np.random.default_rng(9).standard_normal(features.shape), targets)
    assert abs(dead - unrelated) < 0.05
    assert log_me(features, targets) > dead + 0.5


def test_log_me_is_the_evidence_at_its_maximum() -> None:
    """Against the evidence written out with full matrices, searched over a grid of both precisions."""
    features, targets = made_up(0.7, n=60)
    x, y = features - features.mean(0), targets[:, :1] - targets[:, :1].mean(0)
    n, d = x.shape

    def evidence(alpha: float, beta: float) -> float:
        precision = alpha * np.eye(d) + beta * x.T @ x
        mean = beta * np.linalg.solve(precision, x.T @ y)
        error, weights = float(((y - x @ mean) ** 2).sum()), float((mean**2).sum())
        _, log_determinant = np.linalg.slogdet(precision)
        value = n * np.log(beta) + d * np.log(alpha) - n * np.log(2 * np.pi)
        return float(value - beta * error - alpha * weights - log_determinant) / (2 * n)

    grid = np.exp(np.linspace(-4, 4, 161))
    best = max(evidence(alpha, beta) for alpha in grid for beta in grid)
    assert log_me(features, targets[:, :1]) == pytest.approx(best, abs=1e-3)


def test_more_features_than_samples_are_no_fault() -> None:
    rng = np.random.default_rng(0)
    assert np.isfinite(log_me(rng.standard_normal((20, 50)), rng.standard_normal((20, 3))))


def test_a_probe_that_learned_nothing_scores_about_zero() -> None:
    rng = np.random.default_rng(0)
    assert abs(probe(rng.standard_normal((600, 10)), rng.standard_normal((600, 4)))) < 0.1


def test_no_clip_is_on_both_sides_of_the_probe() -> None:
    """Features that tell a clip and nothing else explain other rows of that clip, and no other clip."""
    rng, clips = np.random.default_rng(0), np.repeat(np.arange(4), 100)
    features, targets = np.eye(4)[clips], rng.standard_normal((4, 3))[clips]
    assert ridge_probe(features, targets, clips) == pytest.approx(0, abs=1e-6)


def test_a_probe_of_too_few_clips_is_refused() -> None:
    features, targets = made_up(1.0, n=20)
    with pytest.raises(ValueError, match="rows of 2 clips: a probe needs 3 or more"):
        ridge_probe(features, targets, np.repeat([0, 1], 10))
    with pytest.raises(ValueError, match=r"clips \(10,\) must name the clip of each of 20 rows, in order"):
        ridge_probe(features, targets, np.arange(10))


def test_values_that_are_no_numbers_are_refused() -> None:
    features, targets = made_up(1.0)
    features[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        log_me(features, targets)
    with pytest.raises(ValueError, match="finite"):
        probe(features, targets)
