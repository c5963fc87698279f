"""How a folder called `platform` lives beside the standard library's module of that name."""

from platform.naming.copies import MixedCopies, check_single_copy

__all__ = ["MixedCopies", "check_single_copy"]
