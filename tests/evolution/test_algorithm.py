"""The face that every search shares: order of calls, views, bad input, saving."""

import gc
import os
import pickle
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError, OrderError, StateError, StorageError
from chimera.evolution import (
    Algorithm,
    RandomSearch,
    Space,
    boolean,
    category,
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


def test_zero_rows_cannot_be_asked() -> None:
    with pytest.raises(BatchError, match="at least 1"):
        RandomSearch(SPHERE).ask(0)


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
