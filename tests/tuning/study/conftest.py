"""A PostgreSQL server for all tests of the study."""

from collections.abc import Iterator

import pytest

from tests import postgresql


@pytest.fixture(scope="session")
def running_server() -> Iterator[postgresql.Server]:
    if (programs := postgresql.installed_programs()) is None:  # none of EXPECTED_SKIPS: with CI=true it fails the run
        pytest.skip("these tests start a PostgreSQL server; install one, for example `apt-get install postgresql`")
    with postgresql.running(programs) as server:
        yield server


@pytest.fixture
def server(running_server: postgresql.Server, monkeypatch: pytest.MonkeyPatch) -> postgresql.Server:
    """It runs, and the variable names its database."""
    monkeypatch.setenv(postgresql.VARIABLE, running_server.url())
    return running_server
