"""What a learning curve tells of the trial."""

from platform.results.record import TrialRecord
from platform.results.scores import Score


def still_improving(score: Score, record: TrialRecord) -> bool | None:
    """Whether the last quarter of training brought more than a twentieth of all that it brought; None if too short."""
    values = [score.signed(point[score.name]) for point in record.curve if score.name in point]
    if len(values) < 4:
        return None
    late = values[-1 - max(1, len(values) // 4)] - values[-1]
    return late > 0.05 * max(values[0] - values[-1], 1e-12)
