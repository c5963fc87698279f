"""How sure a difference is, when two settings were trained with the same seeds and scored on the same clips.

The differences form a table of seeds by clips. Chance enters twice: other clips, and other seeds, would have told
something else. Clips are many and are resampled, whole videos at a time, because clips of one video resemble each
other. Seeds are few, too few to resample (of three seeds, every ninth resample would be one seed alone): what they add
is drawn from Student's t. The sum of both, drawn `NUM_DRAWS` times, gives the interval and the p-value.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

SIGNIFICANT = 0.05  # of a corrected p-value
NUM_DRAWS = 20_000
DRAWS_AT_ONCE = 500  # resamples are counts of videos, (draws, num_videos): ten thousand videos take 40 MB


@dataclass(frozen=True)
class PairedDifference:
    """Mean of one setting's scores minus another's, in the score's unit, with its 95 % interval and p-value (two-sided,
    of the hypothesis that there is no difference)."""

    mean: float
    interval: tuple[float, float]
    p: float
    num_seeds: int
    num_clips: int
    num_videos: int


def paired_difference(differences_SC: np.ndarray, videos_C: np.ndarray, *, seed: int = 0) -> PairedDifference | None:
    """`differences_SC`: for each seed and clip, (num_seeds, num_clips). `videos_C`: which video a clip is of.

    Clips without a number (NaN) for some seed are left out. None below two seeds, or two videos: nothing then tells how
    much chance there is. The same numbers give the same answer.
    """
    there_C = np.isfinite(differences_SC).all(axis=0)
    differences_SC, videos_C = differences_SC[:, there_C], videos_C[there_C]
    num_seeds, num_clips = differences_SC.shape
    num_videos = len(np.unique(videos_C))
    if num_seeds < 2 or num_videos < 2:
        return None
    generator = np.random.default_rng(seed)
    mean = float(differences_SC.mean())
    seed_error = differences_SC.mean(axis=1).std(ddof=1) / np.sqrt(num_seeds)
    by_seeds = seed_error * generator.standard_t(num_seeds - 1, NUM_DRAWS)
    drawn = by_seeds + _by_videos(differences_SC.mean(axis=0), videos_C, generator)
    low, high = np.percentile(mean + drawn, [2.5, 97.5])
    p = (1 + int((np.abs(drawn) >= abs(mean)).sum())) / (1 + NUM_DRAWS)
    return PairedDifference(mean, (float(low), float(high)), p, num_seeds, num_clips, num_videos)


def interval_over_videos(
    differences_C: np.ndarray, videos_C: np.ndarray, *, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of the mean of one trained target's differences, over other videos alone; None below two."""
    if len(np.unique(videos_C)) < 2:
        return None
    drawn = _by_videos(differences_C, videos_C, np.random.default_rng(seed))
    low, high = np.percentile(differences_C.mean() + drawn, [2.5, 97.5])
    return float(low), float(high)


def videos_of(clips: Iterable[str]) -> np.ndarray:
    """The video of each clip, by their names `<video>@<first frame>`: (num_clips,) of text."""
    return np.array([name.rpartition("@")[0] for name in clips])


def _by_videos(differences_C: np.ndarray, videos_C: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """How far the mean might lie from this one with other videos, (NUM_DRAWS,)."""
    names, video_C, sizes_V = np.unique(videos_C, return_inverse=True, return_counts=True)
    sums_V = np.bincount(video_C, weights=differences_C)
    drawn = _resampled_means(sums_V, sizes_V, generator) - differences_C.mean()
    # Resampling n videos shows (n-1)/n of their variance.
    return np.asarray(drawn * np.sqrt(len(names) / (len(names) - 1)))


def _resampled_means(sums_V: np.ndarray, sizes_V: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Means over the clips of videos drawn with replacement, (NUM_DRAWS,)."""
    even = np.full(len(sums_V), 1 / len(sums_V))
    means = []
    for _ in range(NUM_DRAWS // DRAWS_AT_ONCE):
        counts_RV = generator.multinomial(len(sums_V), even, size=DRAWS_AT_ONCE)
        means.append((counts_RV @ sums_V) / (counts_RV @ sizes_V))
    return np.concatenate(means)


def holm(ps: Sequence[float]) -> list[float]:
    """The p-values corrected for how many there are (Holm, 1979), in the order given."""
    corrected, largest = [0.0] * len(ps), 0.0
    for place, number in enumerate(np.argsort(ps, kind="stable")):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[number]))
        corrected[number] = largest
    return corrected
