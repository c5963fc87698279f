"""The tables of a report as files that other programs read: `tables/`, each as CSV and as Parquet."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from platform.results.confirmed import Confirmed
from platform.results.findings import Findings
from platform.results.opened import Run
from platform.results.replacing import replacing


def write_tables(findings: Findings) -> Path:
    """Writes all that have a row, and removes what an earlier report wrote of others; returns their folder. A reader
    sees an old file or a new one."""
    folder = findings.summary.folder.tables
    folder.mkdir(exist_ok=True)
    for name, table in _tables(findings).items():
        csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
        if table.empty:
            csv.unlink(missing_ok=True)
            parquet.unlink(missing_ok=True)
            continue
        with replacing(parquet) as unfinished:
            table.to_parquet(unfinished, index=False)
        flat = table.map(lambda value: " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value)
        with replacing(csv) as unfinished:
            flat.to_csv(unfinished, index=False)
    return folder


def _tables(findings: Findings) -> Mapping[str, pd.DataFrame]:
    run, confirmed, shares = Run(findings.summary), findings.confirmed, findings.importances
    return {
        "trials": run.trials.to_pandas(),
        "curves": run.curves.to_pandas(),
        "sources": pd.DataFrame(
            {
                "source": effect.source,
                "mean_with": effect.inside.mean,
                "n_with": len(effect.inside.scores),
                "mean_without": effect.outside.mean,
                "n_without": len(effect.outside.scores),
                "difference": effect.difference,
                **_edges(effect.interval),
            }
            for effect in findings.effects
        ),
        "pairs": pd.DataFrame(
            {
                "first": pair.first,
                "second": pair.second,
                **dict(zip(("n_both", "n_first", "n_second", "n_neither"), pair.counts, strict=True)),
                "interaction": pair.interaction,
                **_edges(pair.interval),
            }
            for pair in findings.pairs
        ),
        "importances": pd.DataFrame(
            {"setting": list(shares.shares), "share": list(shares.shares.values())}, columns=["setting", "share"]
        ),
        "incidents": pd.DataFrame(incident.model_dump() for incident in findings.summary.incidents),
        "confirmed": pd.DataFrame() if confirmed is None else _confirmed(confirmed),
        "contrasts": pd.DataFrame() if confirmed is None else _contrasts(confirmed),
    }


def _confirmed(confirmed: Confirmed) -> pd.DataFrame:
    rows = []
    for setting in confirmed.settings:
        row = {
            "setting": setting.name,
            "role": setting.planned.role,
            "from": setting.planned.origin,
            "chosen": setting is confirmed.chosen,
            "n_seeds": len(setting.tested),
        }
        for name, interval in setting.scores.items():
            row |= {f"test.{name}": interval.mean, f"test.{name}.interval": interval.half}
        row |= {"seconds": setting.seconds, "seconds_per_clip": setting.seconds_per_clip}
        rows.append(row | {"parameters": setting.parameters, "blocks_asked": setting.passes})
    return pd.DataFrame(rows)


def _contrasts(confirmed: Confirmed) -> pd.DataFrame:
    """`difference` is the score of `setting` minus that of `other`; `p_corrected` is for all rows (Holm)."""
    finetuned = () if confirmed.finetuned is None else (confirmed.finetuned,)
    rows = []
    for contrast in (*confirmed.contrasts, *finetuned):
        found = contrast.found
        row = {"setting": contrast.mine.name, "other": contrast.other.name, "score": confirmed.measure.name}
        row |= {"difference": found.mean, **_edges(found.interval), "p": found.p, "p_corrected": contrast.p}
        rows.append(row | {key: value for key, value in dataclasses.asdict(found).items() if key.startswith("num_")})
    return pd.DataFrame(rows)


def _edges(interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {"low": low, "high": high}
