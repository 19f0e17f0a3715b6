"""Fixtures of the evolution tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support_postgres import PostgresServer

from chimera.evolution import GenomeDatabase


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "runs.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def database(place: str) -> Iterator[GenomeDatabase]:
    with GenomeDatabase(place) as database:
        yield database
