"""The face that every search shares: order of calls, views, bad input, saving."""

import gc
import os
import pickle
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chimera.errors import (
    BatchError,
    ConfigError,
    MissingFileError,
    OrderError,
    StateError,
    StorageError,
)
from chimera.evolution import (
    CMAES,
    CMAMAE,
    CVT,
    DE,
    GA,
    LMMAES,
    NSGA2,
    NSGA3,
    PSO,
    SMSEMOA,
    XNES,
    Algorithm,
    Competition,
    Cooperation,
    Grid,
    GridArchive,
    MapElites,
    OpenAIES,
    Portfolio,
    RandomSearch,
    Space,
    SymbolicRegressor,
    boolean,
    category,
    hypervolume_estimate,
    integer,
    mixed,
    permutation,
    real,
)

SPHERE = [(-1.0, 1.0)] * 3


def _sphere(batch: Any) -> Any:
    return (batch**2).sum(axis=1)


def test_batches_are_read_only_views() -> None:
    batch = RandomSearch(SPHERE).ask(4)
    assert batch.shape == (4, 3)
    assert not batch.flags.owndata
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        batch.setflags(write=True)


def test_views_survive_their_run() -> None:
    search = RandomSearch(SPHERE)
    held = []
    for _ in range(20):
        batch = search.ask(50)
        held.append((batch, batch.copy()))
        search.tell(batch, _sphere(batch))
    del search
    gc.collect()
    for batch, copy in held:
        assert np.array_equal(batch, copy)


def test_asking_twice_changes_nothing_for_the_best() -> None:
    search = RandomSearch(SPHERE, seed=3)
    batch = search.ask()
    scores = _sphere(batch)
    search.tell(batch, scores)
    assert search.best_score == scores.min()
    assert np.array_equal(search.best_x, batch[scores.argmin()])


def test_maximize_keeps_the_callers_sign() -> None:
    search = RandomSearch(SPHERE, direction="maximize")
    batch = search.ask()
    search.tell(batch, _sphere(batch))
    assert search.best_score == _sphere(batch).max()
    assert search.holdings()["objectives"][0, 0] == search.best_score


def test_own_rows_may_be_told_instead() -> None:
    search = RandomSearch(SPHERE)
    repaired = np.round(search.ask(5), 1)
    search.tell(repaired, _sphere(repaired))
    assert any(np.array_equal(search.best_x, row) for row in repaired)


def test_failed_rows_count_and_never_win() -> None:
    search = RandomSearch(SPHERE)
    batch = search.ask(3)
    search.tell(batch, [np.nan, 2.0, 3.0], failed=[True, False, False])
    assert (search.n_failed, search.best_score) == (1, 2.0)


def test_violations_rank_before_scores() -> None:
    search = RandomSearch(SPHERE)
    search.tell(search.ask(3), [1.0, 2.0, 3.0], violations=[0.5, 0.0, 0.0])
    assert search.best_score == 2.0


def test_mixed_spaces_come_as_dictionaries() -> None:
    space = mixed(
        a=real(0, 1, 3), b=boolean(4), c=category([2, 3]), d=integer(-5, 5, 2), e=permutation(6)
    )
    search = RandomSearch(space)
    batch = search.ask(7)
    assert {name: (part.shape, part.dtype.name) for name, part in batch.items()} == {
        "a": ((7, 3), "float64"),
        "b": ((7, 4), "bool"),
        "c": ((7, 2), "int64"),
        "d": ((7, 2), "int64"),
        "e": ((7, 6), "int64"),
    }
    search.tell(batch, np.arange(7.0))
    assert sorted(search.best_x["e"]) == list(range(6))
    assert search.space == space


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([], "got an array of shape"),
        ([(1.0, 0.0)], "lower <= upper"),
        ([(0.0, float("nan"))], "lower <= upper"),
        ([(0.0, float("inf"))], "finite bounds"),
        ([(0.0, 1.0, 2.0)], "pairs"),
        ("abc", "pairs"),
        (integer(0.5, 2.0, 1), "whole"),
    ],
)
def test_bad_bounds_are_named(bounds: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandomSearch(bounds)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": "x"},
        {"threads": -1},
        {"threads": 5000},
        {"direction": "up"},
        {"direction": None},
        {"direction": [["minimize"]]},
        {"direction": ["minimize"] * 7},
        {"batch_size": 2**63},
    ],
    ids=str,
)
def test_bad_settings_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        RandomSearch(SPHERE, **settings)


def test_tell_before_ask() -> None:
    with pytest.raises(OrderError, match="call ask first"):
        RandomSearch(SPHERE).tell(np.zeros((1, 3)), [0.0])


@pytest.mark.parametrize(
    ("batch", "scores", "options"),
    [
        (None, [1.0, 2.0], {}),
        (None, [[1.0], [2.0], [3.0], [4.0]], {}),
        (None, [[1.0, 1.0]] * 3, {}),
        (None, [1.0, np.nan, 2.0], {}),
        (None, [1.0, np.inf, 2.0], {}),
        (None, "abc", {}),
        (None, [1.0, 2.0, 3.0], {"violations": [-1.0, 0.0, 0.0]}),
        (None, [1.0, 2.0, 3.0], {"violations": [np.nan, 0.0, 0.0]}),
        (None, [1.0, 2.0, 3.0], {"descriptors": [[1.0]] * 3}),
        (None, [1.0, 2.0, 3.0], {"failed": [True]}),
        (np.full((3, 3), 2.0), [1.0, 2.0, 3.0], {}),
        (np.full((3, 3), np.nan), [1.0, 2.0, 3.0], {}),
        (np.zeros((3, 2)), [1.0, 2.0, 3.0], {}),
        (np.zeros(3), [1.0, 2.0, 3.0], {}),
        (np.zeros((0, 3)), [], {}),
        ({"x": np.zeros((3, 3))}, [1.0, 2.0, 3.0], {}),
        (None, np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False]), {}),
        (None, [np.ma.masked_array([1.0], mask=[True]), [2.0], [3.0]], {}),
        (None, np.array([1.0, 2.0, 3.0j]), {}),
        (None, np.array(["2020", "2021", "2022"], dtype="M8[Y]"), {}),
        (None, np.array([1, 2, 3], dtype="m8[s]"), {}),
        (None, ["1", "2", "3"], {}),
        (None, np.array(["1", "2", "3"], dtype=object), {}),
        (None, np.zeros(3, dtype=[("score", "f8")]), {}),
        (None, [1.0, 2.0, 3.0], {"violations": np.array([0.0, 0.0, 1.0j])}),
        (None, [1.0, 2.0, 3.0], {"failed": np.ma.masked_array([True] * 3, mask=True)}),
        (np.zeros((3, 3), dtype=complex), [1.0, 2.0, 3.0], {}),
        (np.zeros((3, 3)).astype(str), [1.0, 2.0, 3.0], {}),
        (np.ma.masked_array(np.zeros((3, 3)), mask=True), [1.0, 2.0, 3.0], {}),
    ],
    ids=str,
)
def test_what_does_not_fit_changes_nothing(batch: Any, scores: Any, options: Any) -> None:
    search = RandomSearch(SPHERE)
    asked = search.ask(3)
    before = search.dump()
    with pytest.raises(BatchError, match="expected"):
        search.tell(asked if batch is None else batch, scores, **options)
    assert search.dump() == before


def test_masking_the_asked_batch_itself_is_noticed() -> None:
    search = RandomSearch(SPHERE)
    batch = search.ask(3)
    with pytest.raises(BatchError, match="batch: expected values that are all visible"):
        search.tell(np.ma.masked_array(batch, mask=True), np.ones(3))
    search.tell(np.ma.masked_array(batch, mask=False), np.ma.masked_array(np.ones(3), mask=False))
    mixed_search = RandomSearch(mixed(x=real(0.0, 1.0, 2), n=integer(0, 5, 1)))
    parts = mixed_search.ask(3)
    parts["x"] = np.ma.masked_array(parts["x"], mask=True)
    with pytest.raises(BatchError, match="batch: expected values that are all visible"):
        mixed_search.tell(parts, np.ones(3))


@pytest.mark.parametrize(
    "pairs",
    [[["0", "1"]] * 3, np.array([[0.0, 1.0j]] * 3), np.ma.masked_array([[0, 1]] * 3, mask=True)],
    ids=["texts", "complex", "masked"],
)
def test_bounds_that_are_no_numbers_are_refused(pairs: Any) -> None:
    columns = [pairs[0], pairs[1]]
    calls = (lambda: RandomSearch(pairs), lambda: real(*columns), lambda: Grid((4,) * 3, pairs))
    for call in calls:
        with pytest.raises(ConfigError, match=r"(bounds|ranges): expected"):
            getattr(call(), "to_layout", lambda: None)()


@pytest.mark.parametrize("make", [CMAES, LMMAES, XNES, OpenAIES, DE, PSO])
def test_starts_that_are_no_numbers_are_refused(make: Any) -> None:
    masked = np.ma.masked_array([0.0, 0.0, 0.0], mask=[True, False, False])
    for x0 in ("x", [None], [1.0, "2", 3.0], np.array([0.0, 0.0, 1.0j]), masked):
        with pytest.raises(ConfigError, match="x0"):
            make(SPHERE, x0=x0)
    make(SPHERE, x0=[0.0, 0.5, 1])


SEEDED: dict[str, Callable[[Any], Any]] = {
    "competition": lambda seed: Competition(
        RandomSearch(SPHERE), RandomSearch(SPHERE), play=lambda a, b: a @ b.T, seed=seed
    ),
    "cooperation": lambda seed: Cooperation(
        SPHERE, lambda space, _: RandomSearch(space), blocks=3, evaluator=_sphere, seed=seed
    ),
    "regressor": lambda seed: SymbolicRegressor(n_generations=1, seed=seed).fit([[1.0]], [1.0]),
    "hypervolume": lambda seed: hypervolume_estimate([[1.0, 2.0]], reference=[3.0, 3.0], seed=seed),
    "sample": lambda seed: _archive().sample(1, seed=seed),
}


def _archive() -> GridArchive:
    archive = GridArchive(1, shape=(2,), ranges=[(0.0, 1.0)])
    archive.add([[0.0]], [0.0], [[0.0]])
    return archive


@pytest.mark.parametrize("name", SEEDED)
def test_seeds_beyond_64_bits_are_named(name: str) -> None:
    for seed in (-1, 2**64, 1.5, "one"):
        with pytest.raises(ConfigError, match="seed: expected an integer"):
            SEEDED[name](seed)
    SEEDED[name](2**64 - 1)


def test_counts_are_whole_numbers() -> None:
    with pytest.raises(ConfigError, match="shape: expected whole numbers"):
        GridArchive(1, shape=(2.7, 4), ranges=[(0.0, 1.0)] * 2)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="n: expected an integer"):
        _archive().sample(-1, seed=0)


@pytest.mark.parametrize("n", [0, 1_000_001, 2**63])
def test_populations_have_a_most(n: int) -> None:
    for make in (NSGA2, NSGA3, SMSEMOA):
        with pytest.raises(ConfigError, match=r"population_size: expected .*1000000"):
            make(SPHERE, n_objectives=2, population_size=n)
    with pytest.raises(ConfigError, match="offspring: expected 1 to 1000000"):
        SMSEMOA(SPHERE, n_objectives=2, offspring=n)
    with pytest.raises(ConfigError, match="batch_size: expected 1 to 1000000"):
        RandomSearch(SPHERE, batch_size=n)


@pytest.mark.parametrize("n", [0, -1, 2**70, 1.5, "4"])
def test_what_is_no_number_of_rows_cannot_be_asked(n: Any) -> None:
    with pytest.raises(BatchError, match=r"n: expected .*at least 1"):
        RandomSearch(SPHERE).ask(n)


def test_a_saved_search_goes_on(tmp_path: Path) -> None:
    search = RandomSearch(SPHERE, seed=9)
    search.tell(search.ask(), np.ones(100))
    search.save(tmp_path / "state")
    again = Algorithm.load(tmp_path / "state")
    assert type(again) is RandomSearch
    assert np.array_equal(search.ask(), again.ask())
    assert np.array_equal(search.ask(), pickle.loads(pickle.dumps(again)).ask())  # noqa: S301
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_threads_may_save_one_path(tmp_path: Path) -> None:
    target = tmp_path / "state"
    searches = [RandomSearch([(-1.0, 1.0)] * 500, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            states = list(pool.map(lambda search: search.save(target), searches))
            assert target.read_bytes() in states
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_saving_syncs_the_file_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    RandomSearch(SPHERE).save(tmp_path / "state")
    assert synced == ([False] if os.name == "nt" else [False, True])


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="write"):
        RandomSearch(SPHERE).save(tmp_path / "absent" / "state")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        RandomSearch(SPHERE).save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("cut", [0, 5, 12, 40, -1])
def test_cut_states_are_refused(cut: int) -> None:
    state = RandomSearch(SPHERE).save()
    with pytest.raises(StateError, match="cannot be read"):
        Algorithm.load(state[:cut])


def test_damaged_states_are_refused() -> None:
    state = bytearray(RandomSearch(SPHERE).save())
    state[len(state) // 2] ^= 1
    with pytest.raises(StateError, match="damaged"):
        Algorithm.load(bytes(state))


def test_files_that_are_not_there_can_be_caught_as_either(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="expected to read a saved search, found no file"):
        Algorithm.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        Algorithm.load(tmp_path / "none")
    with pytest.raises(StorageError, match="expected to read a saved search"):
        Algorithm.load(tmp_path)
    with pytest.raises(ConfigError, match="threads"):
        Algorithm.load(RandomSearch(SPHERE).save(), threads=-1)


def test_what_no_search_wrote_is_refused_behind_a_right_checksum() -> None:
    """Lower above upper: no call can make it."""
    state = RandomSearch([(-7.25, 9.5)]).save()
    body = state[16:].replace(struct.pack("<d", -7.25), struct.pack("<d", 70.25))
    checksum = 0xCBF29CE484222325  # FNV-1a
    for byte in body:
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    with pytest.raises(StateError, match="cannot be read"):
        Algorithm.load(state[:8] + struct.pack("<Q", checksum) + body)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers as POSIX has them")
def test_long_constructions_let_threads_run_and_can_be_interrupted() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt  # as Ctrl-C does

    seen: set[int] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            seen.add(int(100 * time.monotonic()))

    cells = CVT(20_000, [(0.0, 1.0)] * 10, n_samples=500_000, n_iterations=1000)
    before = signal.signal(signal.SIGVTALRM, interrupt)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            MapElites(SPHERE, cells=cells)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        is_over.set()
        thread.join()
    assert len(seen) > 5  # else it waited for the construction to end


HUNGRY = """
import resource
import numpy as np
from chimera.errors import CapacityError
from chimera.evolution import (
    CMAES, GA, NSGA2, XNES, CVTArchive, Grid, MapElites, RandomSearch, nearest_neighbours,
)

pair = [(0.0, 1.0)] * 2
points = np.zeros((20_000, 3))
calls = {
    "batch": lambda: RandomSearch(pair).ask(2**27),
    "covariance=": lambda: CMAES([(-1.0, 1.0)] * 100_000).ask(),
    "covariance:": lambda: XNES([(-1.0, 1.0)] * 100_000).ask(),
    "batch:": lambda: GA(pair, population_size=2**27).ask(),
    "batch: ": lambda: NSGA2(pair * 1000, n_objectives=2, population_size=1_000_000).ask(),
    "cells": lambda: MapElites(pair, cells=Grid((2**14, 2**13), pair)),
    "neighbours": lambda: nearest_neighbours(points, points, k=20_000),
    "samples": lambda: CVTArchive(2, n_cells=2, ranges=pair, n_samples=2**28),
}
search = RandomSearch(pair)
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for name, call in calls.items():
    try:
        call()
    except CapacityError as error:
        assert isinstance(error, MemoryError), error
        assert str(error).startswith(name), error
        assert "expected room for" in str(error) and "bytes" in str(error), error
    else:
        raise AssertionError(name)
try:
    search.ask(2**28)
except CapacityError:
    print(search.ask(3).shape, search.ask(2**20).shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space as Linux has them")
def test_asking_for_more_memory_than_there_is_keeps_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUNGRY], capture_output=True, text=True, check=False
    )
    assert done.stdout == "(3, 2) (1048576, 2)\n", done.stderr


def test_spaces_compare_by_content() -> None:
    assert real([0.0, 0.0], [1.0, 1.0]) == real(0.0, 1.0, 2)
    assert isinstance(RandomSearch(SPHERE).space, Space)


def test_every_native_method_has_its_class_when_loaded_afresh() -> None:
    """A fresh process knows no class yet; `load` must find each by the name of its method."""
    script = """
import re
from chimera.errors import ConfigError
from chimera.evolution._algorithm import Algorithm, Run, class_of
try:
    Run("?", [("x", "f64", [0.0], [1.0])])
except ConfigError as error:
    names = re.search(r"expected (.*), got", str(error))[1].split(", ")
assert len(names) > 15, names
print([name for name in names if class_of(name) is Algorithm])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


EXTREME: dict[str, Callable[[], Any]] = {
    "portfolio": lambda: Portfolio(SPHERE, seed=1),
    "cma_mae": lambda: CMAMAE(SPHERE, cells=Grid((4, 4), [(-1.0, 1.0)] * 2), threshold_min=-1.0),
    "cmaes": lambda: CMAES(SPHERE, restarts="ipop", seed=1),
    "ga": lambda: GA(SPHERE, population_size=10, seed=1),
}


@pytest.mark.parametrize("name", EXTREME)
def test_the_largest_scores_can_be_saved_and_loaded(name: str) -> None:
    search = EXTREME[name]()
    largest = np.finfo(np.float64).max
    for _ in range(60):
        batch = search.ask()
        told = {"descriptors": batch[:, :2]} if search.n_descriptors else {}
        search.tell(batch, np.where(batch[:, 0] < 0.0, largest, -largest), **told)
        search = Algorithm.load(search.save())
        assert np.isfinite(search.ask()).all()
