"""How relevant is a source, judged from its memories alone, before anything is trained?

Two scores of how well next frames follow from a source's memories. LogME is the evidence of a Bayesian linear
regression, maximised over its two precisions, per sample and target; it needs no held-out data. The ridge probe is the
share of variance that a plain ridge regression explains on clips it has not seen. Higher is better in both.
Source: You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021, with the
fixed-point iteration of You et al., JMLR 2022.
"""

import numpy as np

# n samples, d features, k targets
MAX_ITERATIONS = 50
TOLERANCE = 1e-4
RIDGE_STRENGTHS = tuple(10.0**power for power in range(-4, 5))


def log_me(features_nd: np.ndarray, targets_nk: np.ndarray) -> float:
    """The maximum log evidence per sample, averaged over targets. Raises ValueError for values that are not finite.

    Targets and features are centred first; a target that never changes is left out.
    """
    features, targets = _centred(features_nd), _centred(targets_nk)
    _check(features, targets)
    targets = targets[:, targets.std(axis=0) > 1e-12]
    if targets.shape[1] == 0:
        raise ValueError("every target is constant: there is nothing to explain")
    n, d = features.shape
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    squared = s**2  # (r,)
    projected_rk = u.T @ targets
    residual_k = np.maximum((targets**2).sum(axis=0) - (projected_rk**2).sum(axis=0), 0.0)
    return float(
        np.mean([_evidence(squared, projected_rk[:, j], residual_k[j], n, d) for j in range(targets.shape[1])])
    )


def _evidence(squared_r: np.ndarray, projected_r: np.ndarray, residual: float, n: int, d: int) -> float:
    """Log evidence of one target per sample, at the precisions alpha (weights) and beta (noise) that maximise it.

    Features that never vary explain nothing: theirs is the evidence of noise alone.
    """
    if squared_r.sum() <= 1e-12 * n:
        variance = (float((projected_r**2).sum()) + residual) / n
        return float(-0.5 * (np.log(2 * np.pi * variance) + 1))
    alpha, beta = 1.0, 1.0
    for _ in range(MAX_ITERATIONS):
        shrunk = alpha / (alpha + beta * squared_r)
        gamma = float((1 - shrunk).sum())
        weights_squared = float(((beta * np.sqrt(squared_r) * projected_r / (alpha + beta * squared_r)) ** 2).sum())
        error = float(((shrunk * projected_r) ** 2).sum()) + residual
        next_alpha = gamma / max(weights_squared, 1e-12)
        next_beta = (n - gamma) / max(error, 1e-12)
        settled = abs(next_alpha / next_beta / (alpha / beta) - 1) < TOLERANCE
        alpha, beta = next_alpha, next_beta
        if settled:
            break
    shrunk = alpha / (alpha + beta * squared_r)
    weights_squared = float(((beta * np.sqrt(squared_r) * projected_r / (alpha + beta * squared_r)) ** 2).sum())
    error = float(((shrunk * projected_r) ** 2).sum()) + residual
    log_determinant = float(np.log(alpha + beta * squared_r).sum()) + (d - len(squared_r)) * np.log(alpha)
    evidence = n * np.log(beta) + d * np.log(alpha) - n * np.log(2 * np.pi)
    return float(evidence - beta * error - alpha * weights_squared - log_determinant) / (2 * n)


def ridge_probe(
    features_nd: np.ndarray, targets_nk: np.ndarray, clips_n: np.ndarray, *, train_share: float = 0.7
) -> float:
    """R^2 on the last rows of a ridge regression fitted to the first, averaged over targets weighted by variance.

    The strength is chosen on a third of the rows it is fitted to. `clips_n` numbers the clip of each row, in order:
    rows of one clip are alike, so none has rows on two sides. Raises ValueError for values that are not finite, and
    for fewer than three clips.
    """
    _check(features_nd, targets_nk)
    fitted, chosen = _cuts(clips_n, len(features_nd), (train_share * 2 / 3, train_share))
    errors = {
        strength: _ridge_error(
            features_nd[:fitted], targets_nk[:fitted], features_nd[fitted:chosen], targets_nk[fitted:chosen], strength
        )
        for strength in RIDGE_STRENGTHS
    }
    best = min(errors, key=lambda strength: errors[strength])
    held_out = targets_nk[chosen:]
    error = _ridge_error(features_nd[:chosen], targets_nk[:chosen], features_nd[chosen:], held_out, best)
    variance = float(((held_out - targets_nk[:chosen].mean(axis=0)) ** 2).sum())
    return 1.0 - error / variance if variance > 0 else 0.0


def _cuts(clips_n: np.ndarray, n: int, shares: tuple[float, float]) -> tuple[int, int]:
    """The rows at which clips begin, nearest below these shares of the rows; neither first nor equal."""
    if clips_n.shape != (n,) or (np.diff(clips_n) < 0).any():
        raise ValueError(f"clips {clips_n.shape} must name the clip of each of {n} rows, in order")
    begins = np.flatnonzero(np.diff(clips_n)) + 1
    if len(begins) < 2:
        raise ValueError(f"rows of {len(begins) + 1} clips: a probe needs 3 or more, to fit, to choose and to judge")
    low, high = (int(np.searchsorted(begins, share * n, side="right")) - 1 for share in shares)
    low = min(max(low, 0), len(begins) - 2)
    return int(begins[low]), int(begins[max(high, low + 1)])


def _ridge_error(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, strength: float) -> float:
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    scale = x.std(axis=0) + 1e-8
    z, z_test = (x - mean_x) / scale, (x_test - mean_x) / scale
    gram = z.T @ z + strength * len(z) * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, z.T @ (y - mean_y))
    return float(((y_test - mean_y - z_test @ weights) ** 2).sum())


def _centred(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values - values.mean(axis=0)


def _check(features: np.ndarray, targets: np.ndarray) -> None:
    if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets):
        raise ValueError(f"features {features.shape} and targets {targets.shape} must be (n, d) and (n, k)")
    if not (np.isfinite(features).all() and np.isfinite(targets).all()):
        raise ValueError("features and targets must be finite")
