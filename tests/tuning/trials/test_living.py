"""A look at the trials of a long search costs what those cost that live."""

from platform.tuning.trials.living import Living


class Counted:
    """A trial that counts how often it is looked at."""

    def __init__(self) -> None:
        self.now, self.looks = "PENDING", 0

    @property
    def status(self) -> str:
        self.looks += 1
        return self.now


def test_who_has_ended_is_not_looked_at_again() -> None:
    living, trials = Living(), [Counted() for _ in range(5)]
    assert living.of(trials) == trials
    trials[1].now, trials[3].now = "TERMINATED", "ERROR"
    trials[2].now = "PAUSED"
    assert living.of(trials) == [trials[0], trials[2], trials[4]]
    looks = trials[1].looks
    later = [*trials, Counted()]
    for _ in range(10):
        assert living.of(later) == [trials[0], trials[2], trials[4], later[5]]
    assert trials[1].looks == looks
