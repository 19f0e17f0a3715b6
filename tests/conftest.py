"""Fixtures that several areas share."""

from collections.abc import Iterator

import pytest
from tests.support_postgres import PostgresServer, find_binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server; give tests that use it 60 s."""
    reason = "psycopg or its libpq is not installed (chimera-engine[postgres])"
    pytest.importorskip("psycopg", reason=reason, exc_type=ImportError)
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed on this machine")
    server = PostgresServer(binaries)
    yield server
    server.stop()
