"""What of a run is not there, told apart from what is there and cannot be read."""


class Absent(str):
    """A sentence among those of `missing`: nothing is damaged, the part is not there, or not yet."""
