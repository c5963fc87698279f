"""What the networks refuse."""


class ShapeError(ValueError):
    """Tensors, lengths or names that do not fit each other. The text names both sides and the repair."""
