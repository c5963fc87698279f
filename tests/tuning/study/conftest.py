"""A PostgreSQL server for each file of tests that asks for one."""

from collections.abc import Iterator

import pytest

from tests import postgresql


@pytest.fixture(scope="module")
def running_postgres() -> Iterator[postgresql.Server]:
    if (programs := postgresql.installed_programs()) is None:  # none of EXPECTED_SKIPS: with CI=true it fails the run
        pytest.skip("these tests start a PostgreSQL server; install one, for example `apt-get install postgresql`")
    with postgresql.running(programs) as started:
        yield started


@pytest.fixture
def postgres(running_postgres: postgresql.Server, monkeypatch: pytest.MonkeyPatch) -> postgresql.Server:
    """It runs, and the variable names its database."""
    monkeypatch.setenv(postgresql.VARIABLE, running_postgres.url())
    return running_postgres
