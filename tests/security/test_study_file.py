"""A study.db that came from elsewhere: the report says that it cannot be read, soon, and in little memory."""

import sqlite3
from functools import partial
from pathlib import Path

import optuna
import pytest

from platform.results.importances import importances
from platform.results.run_folder import RunFolder
from tests.security.limits import ending_of

ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n"
MANY = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}) SELECT {} FROM r"
DISTRIBUTION = "UPDATE trial_params SET distribution_json = "

HOSTILE = {
    "a view without end": [
        "ALTER TABLE studies RENAME TO kept",
        f"CREATE VIEW studies AS {ENDLESS} AS study_id, 'x' AS study_name FROM r",
    ],
    "a trigger": ["CREATE TRIGGER x AFTER INSERT ON trials BEGIN DELETE FROM studies; END"],
    "a column that is computed": [
        "DROP TABLE version_info",
        "CREATE TABLE version_info (a INTEGER, schema_version AS (zeroblob(1000000000)))",
    ],
    "a long text": [f"{DISTRIBUTION} hex(zeroblob(5000000)) WHERE param_id = 1"],
    "too much JSON": [
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
        + MANY.format(700, "n, 'x', hex(zeroblob(30000))")
    ],
    "too many rows": [
        "INSERT INTO trial_heartbeats (trial_id, heartbeat) " + MANY.format(1_100_000, "n + 1000, '2026-01-01'")
    ],
    "lists within lists": [f"{DISTRIBUTION} '{'[' * 100_000}'"],
    "a distribution that is code": [f'{DISTRIBUTION} \'{{"name": "os.system", "attributes": {{}}}}\''],
    "a distribution that is a list": [f"{DISTRIBUTION} '[1]'"],
    "a choice that is none": ["UPDATE trial_params SET param_value = 1e300"],
    "no scores": ["DELETE FROM trial_values"],
    "no database": [],
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    study = optuna.create_study(study_name="search", storage=f"sqlite:///{folder.study}")
    for number in range(12):
        trial = study.ask()
        trial.suggest_categorical("start", ["scratch", "one"])
        study.tell(trial, trial.suggest_float("rate", 0, 1) + number)
    return folder


def unread(folder: RunFolder) -> None:
    found = importances(folder)
    assert not found.shares
    assert "cannot be read as one that Optuna stored" in str(found.why_not)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_study_is_left_out_within_bounds(run: RunFolder, kind: str) -> None:
    connection = sqlite3.connect(run.study)
    for statement in HOSTILE[kind]:
        connection.execute(statement)
    connection.commit()
    connection.close()
    if not HOSTILE[kind]:
        run.study.write_bytes(b"SQLite format 3\0" + bytes(5000))
    ending = ending_of(partial(unread, run))
    assert ending.error == "", ending.text


def test_a_plain_study_is_read(run: RunFolder) -> None:
    assert set(importances(run).shares) == {"rate", "start"}
