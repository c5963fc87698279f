"""Files that the tests are given: `tests/fixtures`."""

from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
REFERENCE = FIXTURES / "reference"  # numerical cases of the public codes
TINY = FIXTURES / "tiny.yaml"  # a whole search, of seconds
