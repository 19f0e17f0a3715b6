"""Saved states: where they come from, what is refused, and what classes of users' own become."""

import copy
import hashlib
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import pytest

from chimera.errors import ConfigError, MissingFileError, StateError, StorageError
from chimera.evolution import (
    CMAES,
    DE,
    GA,
    NSGA2,
    Algorithm,
    Competition,
    Cooperation,
    GridArchive,
    Population,
    ProgramSearch,
    SymbolicClassifier,
    SymbolicRegressor,
)

BOX = [(-1.0, 1.0)] * 3
SOURCE = """
def guess(x: float) -> float:
    return x * x

def error(x: float) -> float:
    return abs(guess(x) - 3.0 * x)
"""


def play(first: Any, second: Any) -> Any:
    return first[:, 0] - second[:, 0]


def sphere(x: Any) -> Any:
    return (x**2).sum(axis=1)


def competition() -> Competition:
    sides = [
        GA([(0.0, 1.0)], population_size=8, scheme="steady_state", seed=seed) for seed in (1, 2)
    ]
    game = Competition(*sides, play=play)
    game.step()
    game._batches = [np.asarray(side.ask()) for side in sides]
    return game


def cooperation() -> Cooperation:
    return Cooperation(
        [(-1.0, 1.0)] * 4,
        lambda space, idx: DE(space, population_size=20, seed=idx),
        blocks=2,
        evaluator=sphere,
    )


def archive() -> GridArchive:
    return GridArchive(2, shape=(3, 3), ranges=[(-1.0, 1.0)] * 2)


def programs() -> ProgramSearch:
    points = [(float(idx),) for idx in range(4)]
    return ProgramSearch(SOURCE, objective="error", evolvable=["guess"], instances=points)


def regressor() -> SymbolicRegressor:
    x = np.linspace(-1.0, 1.0, 40)[:, None]
    model = SymbolicRegressor(population_size=30, n_generations=2, seed=1)
    return model.fit(x, x[:, 0] ** 2)


def classifier() -> SymbolicClassifier:
    x = np.linspace(-1.0, 1.0, 40)[:, None]
    model = SymbolicClassifier(population_size=30, n_generations=2, seed=1)
    return model.fit(x, x[:, 0] > 0.0)


Load = Callable[[Any], Any]
KINDS: dict[str, tuple[Callable[[], Any], Load]] = {
    "algorithm": (lambda: DE(BOX, seed=1), DE.load),
    "competition": (competition, lambda source: Competition.load(source, play=play)),
    "cooperation": (cooperation, lambda source: Cooperation.load(source, evaluator=sphere)),
    "regressor": (regressor, SymbolicRegressor.load),
    "classifier": (classifier, SymbolicClassifier.load),
    "archive": (archive, GridArchive.load),
    "programs": (programs, lambda source: programs().restore(source)),
}
each_kind = pytest.mark.parametrize(("make", "load"), KINDS.values(), ids=KINDS)
sealed = ("competition", "cooperation", "regressor", "classifier")
each_sealed = pytest.mark.parametrize(
    ("make", "load"), [KINDS[name] for name in sealed], ids=sealed
)


@each_kind
def test_states_come_from_bytes_of_any_kind(make: Callable[[], Any], load: Load) -> None:
    state = make().save()
    for source in (state, bytearray(state), memoryview(state)):
        assert load(source).save() == state


@each_kind
def test_what_is_no_source_is_refused(make: Callable[[], Any], load: Load, tmp_path: Path) -> None:
    for source in (None, 3, [1], np.zeros(3), "", "\0", Path()):
        with pytest.raises(ConfigError, match="expected the bytes of a state, or the path"):
            load(source)
    with pytest.raises(MissingFileError, match="found no file"):
        load(tmp_path / "nothing")
    with pytest.raises(StorageError, match="expected to read"):
        load(tmp_path)
    with pytest.raises(StateError):
        load(b"")
    whole = make()
    for path in (3, [1], b"name", "", "\0", Path()):
        with pytest.raises(ConfigError, match="path: expected the path of a file"):
            whole.save(path)


def test_populations_name_the_path() -> None:
    population = Population(np.zeros((2, 2)))
    for path in (None, 3, "", "\0"):
        for call in (population.snapshot, Population.restore):
            with pytest.raises(ConfigError, match="path: expected the path of a file"):
                call(cast("Any", path))


def resealed(state: bytes, change: Callable[[dict[str, Any], list[bytes]], object]) -> bytes:
    """Return a changed state with a checksum that holds."""
    n_header = int.from_bytes(state[40:48], "little")
    header = json.loads(state[48 : 48 + n_header])
    parts, start = [], 48 + n_header
    for length in header["parts"]:
        parts.append(state[start : start + length])
        start += length
    change(header, parts)
    return sealed_bytes(header, parts)


def sealed_bytes(header: Any, parts: list[bytes]) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = len(text).to_bytes(8, "little") + text + b"".join(parts)
    return b"chimsav\x01" + hashlib.sha256(body).digest() + body


def array_of(head: str) -> bytes:
    """Return an array in NumPy's format with a header of one's own."""
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()


@each_sealed
def test_headers_that_mean_nothing_are_damage(make: Callable[[], Any], load: Load) -> None:
    assert load(resealed(make().save(), lambda *_: None)) is not None
    nested = b"[" * 100_000
    for header in (b"", b"{", b"\xff", b"[]", b"3", b"{}", nested, b'{"version": "' + b"1" * 9):
        with pytest.raises(StateError, match="expected a whole"):
            load(sealed_bytes(header, []))
    state = make().save()
    for name in ("kind", "version", "facts", "parts"):
        with pytest.raises(StateError, match="expected a whole"):
            load(resealed(state, lambda header, _, name=name: header.pop(name)))  # type: ignore[misc]
    for lengths in (3, ["a"], [-1], [10**9], [2.5], [None]):
        with pytest.raises(StateError, match="expected a whole"):
            load(resealed(state, lambda header, _, n=lengths: header.update(parts=n)))  # type: ignore[misc]


@each_sealed
def test_facts_of_another_kind_are_damage(make: Callable[[], Any], load: Load) -> None:
    state = make().save()
    facts: dict[str, Any] = {}
    resealed(state, lambda header, _: facts.update(header["facts"]))
    for name in facts:
        values: list[Any] = ["a", [], {"a": 1}, -1, 2.5]
        for value in values:
            damaged = {**facts, name: value}
            if name == "is_shared":  # anything is true or false
                continue
            with pytest.raises(StateError, match="expected a whole"):
                load(resealed(state, lambda header, _, f=damaged: header.update(facts=f)))  # type: ignore[misc]
        fewer = {key: value for key, value in facts.items() if key != name}
        with pytest.raises(StateError, match="expected a whole"):
            load(resealed(state, lambda header, _, f=fewer: header.update(facts=f)))  # type: ignore[misc]
    with pytest.raises(StateError, match="expected a whole"):
        load(resealed(state, lambda header, _: header.update(facts=3)))


@each_sealed
def test_parts_that_mean_nothing_are_damage(make: Callable[[], Any], load: Load) -> None:
    state = make().save()
    lengths: list[int] = []
    resealed(state, lambda header, _: lengths.extend(header["parts"]))
    out = io.BytesIO()
    np.save(out, np.zeros((2, 2, 2)))
    fills = [
        b"\xff" * 7,
        b"[[",
        b"[1, [2]]",
        array_of("{'descr': ((((("),
        array_of("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }\n"),
        array_of("\0\n"),
        out.getvalue(),
    ]

    def filled(place: int, fill: bytes) -> bytes:
        def change(header: dict[str, Any], parts: list[bytes]) -> None:
            parts[place] = fill
            header["parts"][place] = len(fill)

        return resealed(state, change)

    for place, length in enumerate(lengths):
        for fill in fills:
            if length:
                with pytest.raises(StateError):
                    load(filled(place, fill))


def test_arguments_are_not_taken_for_damage() -> None:
    state = competition().save()
    with pytest.raises(ConfigError, match="play: expected"):
        Competition.load(state, play=cast("Any", 3))
    with pytest.raises(ConfigError, match="threads: expected"):
        Competition.load(state, play=play, threads=-1)
    with pytest.raises(ConfigError, match="function: expected"):
        Cooperation.load(cooperation().save(), evaluator=cast("Any", 3))


class Noted(CMAES):
    """An algorithm of a user's own."""

    __slots__ = ("mark",)
    note: str
    mark: str

    def __new__(cls, note: str) -> Self:
        search = super().__new__(cls, BOX, seed=3)
        search.note = search.mark = note
        return search

    def doubled(self) -> int:
        return 2 * self.generation


def test_classes_of_users_own_stay_what_they_are(tmp_path: Path) -> None:
    search = Noted("mine")
    search.tell(batch := search.ask(), sphere(batch))
    thawed = pickle.loads(pickle.dumps(search))  # noqa: S301 -- our own
    for copied in (copy.deepcopy(search), copy.copy(search), thawed):
        assert type(copied) is Noted
        assert (copied.note, copied.mark) == ("mine", "mine")
        assert copied.doubled() == 2
        assert copied.settings == search.settings
        assert copied.save() == search.save()
        assert np.array_equal(copied.ask(), Noted.load(search.save()).ask())
    search.save(tmp_path / "state")
    loaded = Noted.load(tmp_path / "state")
    assert type(loaded) is Noted
    assert loaded.doubled() == 2
    assert not hasattr(loaded, "note")
    assert type(Algorithm.load(search.save())) is CMAES
    assert type(CMAES.load(search.save())) is CMAES
    with pytest.raises(StateError, match="expected a Noted, got a NSGA2"):
        Noted.load(NSGA2(BOX).save())


class NotedArchive(GridArchive):
    """An archive of a user's own, with a ``load`` of its own."""

    note = ""

    @classmethod
    def load(cls, state: Any, **settings: Any) -> Self:
        loaded = super().load(state, **settings)
        loaded.note = "loaded"
        return loaded


def test_archives_of_users_own_stay_what_they_are() -> None:
    archive = NotedArchive(2, shape=(3, 3), ranges=[(-1.0, 1.0)] * 2, dtype="float32")
    archive.note = "mine"
    for copied in (copy.deepcopy(archive), pickle.loads(pickle.dumps(archive))):  # noqa: S301
        assert type(copied) is NotedArchive
        assert copied.note == "mine"
        assert copied.save() == archive.save()
    assert NotedArchive.load(archive.save(), dtype="float32").note == "loaded"
