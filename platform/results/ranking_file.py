"""`ranking.json`: how relevant the sources seemed before the search, where it ranked them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat, RootModel

from platform.config.bounded import Refused, read_json
from platform.config.errors import UserError
from platform.config.model import Model
from platform.results.replacing import replace_text


class RankedSource(Model):
    """Higher is better in both scores; see `training/relevance.py`."""

    source: str
    memory: str
    log_me: FiniteFloat
    ridge_r2: FiniteFloat


class _Ranking(RootModel[tuple[RankedSource, ...]]):
    root: Annotated[tuple[RankedSource, ...], Field(max_length=1000)]


def write_ranking(path: Path, ranking: tuple[RankedSource, ...]) -> None:
    """The most relevant first."""
    replace_text(path, _Ranking(ranking).model_dump_json(indent=2))


def read_ranking(path: Path) -> tuple[RankedSource, ...]:
    """Empty where the search ranked nothing. Raises UserError for a file that is damaged."""
    try:
        return read_json(path, _Ranking).root
    except FileNotFoundError:
        return ()
    except (OSError, Refused) as fault:
        raise UserError(f"{path.name} {fault}; the ranking of sources before the search is not shown.") from None
