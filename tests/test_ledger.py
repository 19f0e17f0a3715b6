import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera.errors import CorruptLedgerError, LedgerError, ReplayError
from chimera.ledger import GENESIS, REGISTRY, Chain, Ledger, canonical_json, decode_json
from chimera.storage import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "project", write=True) as opened:
        yield opened


def fill(database: Database, run: str, n: int) -> Chain:
    chain = Chain(run)
    for idx in range(n):
        chain.add("measured", actor="test", inputs={"task": "ab"}, outcome={"score": idx / 3})
    with database.transaction():
        Ledger(database).append(chain.drain())
    return chain


def alter(database: Database, sql: str) -> None:
    database.connection.executescript(
        f"DROP TRIGGER IF EXISTS events_keep; DROP TRIGGER IF EXISTS events_fixed; {sql};"
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # all but surrogates, which no JSON holds
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_round_trips_bit_for_bit(value: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(decode_json(text)) == text


def test_canonical_json_orders_keys_and_keeps_special_floats() -> None:
    text = canonical_json({"b": [math.inf, -math.inf, math.nan], "a": -0.0, "c": 0.1})
    assert text == ('{"a":-0.0,"b":[{"$float":"inf"},{"$float":"-inf"},{"$float":"nan"}],"c":0.1}')


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, {"a": b"x"}, {"a": {1, 2}}])
def test_canonical_json_refuses_other_types(value: Any) -> None:
    with pytest.raises(LedgerError):
        canonical_json(value)


def test_equal_events_give_equal_heads_whatever_the_run_and_time(database: Database) -> None:
    first, second = fill(database, "r1", 5), fill(database, "r2", 5)
    assert first.head == second.head != GENESIS
    assert fill(database, "r3", 4).head != first.head


def test_events_come_back_as_written(database: Database) -> None:
    fill(database, "r1", 3)
    events = Ledger(database).events("r1", "measured")
    assert [event.sequence for event in events] == [0, 1, 2]
    assert events[2].outcome == {"score": 2 / 3}
    assert events[2].inputs == {"task": "ab"}
    assert Ledger(database).events(kind="other") == []


def test_verify_counts_sound_events(database: Database) -> None:
    fill(database, "r1", 3)
    fill(database, "r2", 2)
    assert Ledger(database).verify() == {"r1": 3, "r2": 2}
    assert Ledger(database).verify("r2") == {"r2": 2}


def test_verify_accepts_an_empty_ledger(database: Database) -> None:
    assert Ledger(database).verify() == {}


def test_database_refuses_to_change_events(database: Database) -> None:
    fill(database, "r1", 2)
    for sql in ("DELETE FROM events", "UPDATE events SET kind = 'other'"):
        with pytest.raises(Exception, match="append-only"):
            database.connection.execute(sql)
    assert Ledger(database).verify() == {"r1": 2}


@pytest.mark.parametrize(
    ("sql", "sequence"),
    [
        ("UPDATE events SET outcome = '{\"score\":9}' WHERE sequence = 2", 2),
        ("UPDATE events SET kind = 'adopted' WHERE sequence = 0", 0),
        ("UPDATE events SET actor = 'other' WHERE sequence = 4", 4),
        ("DELETE FROM events WHERE sequence = 1", 1),
        ("DELETE FROM events WHERE sequence >= 3", 3),
        ("DELETE FROM events", 0),
        ("UPDATE heads SET hash = '00'", 4),
        ("DELETE FROM heads", 4),
    ],
)
def test_verify_names_the_first_bad_event(database: Database, sql: str, sequence: int) -> None:
    fill(database, "r1", 5)
    alter(database, sql)
    with pytest.raises(CorruptLedgerError, match=f"event {sequence} of r1") as caught:
        Ledger(database).verify()
    assert (caught.value.run, caught.value.sequence) == ("r1", sequence)


def test_append_refuses_a_gap(database: Database) -> None:
    chain = Chain("r1")
    chain.add("a", actor="test")
    chain.drain()
    chain.add("b", actor="test")
    with pytest.raises(LedgerError, match="continues r1"), database.transaction():
        Ledger(database).append(chain.drain())
    assert Ledger(database).events() == []


def test_failed_transaction_keeps_nothing(database: Database) -> None:
    chain = Chain("r1")
    chain.add("a", actor="test")

    def fail() -> None:
        with database.transaction():
            Ledger(database).append(chain.drain())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Ledger(database).head("r1") == (GENESIS, 0)


def test_chain_accepts_the_recorded_course_and_goes_on(database: Database) -> None:
    recorded = fill(database, "r1", 3)
    chain = Chain("r1", Ledger(database).events("r1"))
    for idx in range(3):
        chain.add("measured", actor="test", inputs={"task": "ab"}, outcome={"score": idx / 3})
    assert chain.head == recorded.head
    assert chain.pending == []
    chain.add("more", actor="test")
    assert len(chain.pending) == 1


def test_chain_refuses_another_course(database: Database) -> None:
    fill(database, "r1", 3)
    chain = Chain("r1", Ledger(database).events("r1"))
    with pytest.raises(ReplayError, match=r"event 0 \(measured\) of r1"):
        chain.add("measured", actor="test", outcome={"score": 1.0})


def test_chain_can_skip_what_is_recorded(database: Database) -> None:
    recorded = fill(database, "r1", 3)
    chain = Chain("r1", Ledger(database).events("r1"))
    chain.skip_recorded()
    assert (chain.head, chain.length, chain.last_kind) == (recorded.head, 3, "measured")


def test_event_size_is_limited() -> None:
    with pytest.raises(LedgerError, match="expected an event up to"):
        Chain("r1").add("a", actor="test", outcome={"text": "x" * (1 << 20)})


def test_live_state_is_rebuilt_from_events(database: Database) -> None:
    chain = Chain(REGISTRY)
    for task, version in (("a", 0), ("b", 0), ("a", 1), ("a", 2), ("a", 1)):
        chain.add("live.changed", actor="test", outcome={"task": task, "version": version})
    with database.transaction():
        Ledger(database).append(chain.drain())
    assert Ledger(database).rebuild_live() == {"a": 1, "b": 0}
