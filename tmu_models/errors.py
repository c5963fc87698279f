"""What the networks refuse."""


class ShapeError(ValueError):
    """Tensors, lengths or names that do not fit each other. The text names both sides and the repair."""


class CheckpointError(ValueError):
    """A checkpoint file that cannot be taken for what it is said to be. The text says why, and what to do."""
