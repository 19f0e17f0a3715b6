"""The population store: views, selecting, sorting, joining, snapshots, Arrow and Parquet."""

import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera.errors import (
    ConfigError,
    MissingExtraError,
    MissingFileError,
    StateError,
    StorageError,
)
from chimera.evolution import NO_PARENT, Population, RandomSearch, mixed, permutation, real


def _full(n: int = 7) -> Population:
    rng = np.random.default_rng(5)
    return Population(
        {
            "x": rng.random((n, 4)),
            "y": rng.random((n, 2), dtype=np.float32),
            "tour": rng.permuted(np.tile(np.arange(5), (n, 1)), axis=1),
            "flags": rng.random((n, 3)) > 0.5,
            "program": [f"def f(x): return x + {row} # é" for row in range(n)],
        },
        objectives=rng.random((n, 2)),
        violations=np.where(rng.random(n) > 0.5, rng.random(n), 0.0),
        descriptors=rng.random((n, 3)),
        failed=rng.random(n) > 0.7,
        ids=np.arange(n, dtype=np.uint64) + 2**60,
        parents=rng.integers(0, 9, (n, 2)),
        operators=rng.integers(0, 2, n),
        operator_names=["sbx", "polynomial"],
        generations=np.arange(n) // 3,
        metadata={"note": [f"n{row}" for row in range(n)], "seconds": rng.random(n)},
    )


def test_arrays_are_taken_over_as_read_only_views() -> None:
    x = np.arange(6.0).reshape(3, 2)
    population = Population(x, objectives=np.zeros((3, 1)))
    assert np.shares_memory(population.x, x)
    with pytest.raises(ValueError, match="read-only"):
        population.x[0, 0] = 1.0
    assert x.flags.writeable


def test_structured_arrays_are_taken_over_field_by_field() -> None:
    genomes = np.zeros(4, dtype=[("rate", "f8"), ("flags", "?", (3,))])
    population = Population(genomes)
    assert {name: block.shape for name, block in population.genomes.items()} == {
        "rate": (4, 1),
        "flags": (4, 3),
    }
    assert np.shares_memory(population.genomes["rate"], genomes)


def test_texts_are_programs() -> None:
    population = Population(["a = 1", "b = 2"], objectives=[2.0, 1.0])
    assert population.sort().x.tolist() == ["b = 2", "a = 1"]


def test_what_was_not_given_is_none() -> None:
    population = Population(np.zeros((2, 1)))
    assert population.objectives is None
    assert population.parents is None
    assert population.metadata == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": np.zeros((2, 1))}, r"objectives: expected shape \(3, k\)"),
        ({"violations": np.zeros((3, 2))}, r"violations: expected shape \(3,\)"),
        ({"ids": [1, 2, -1]}, "ids"),
        ({"objectives": ["a", "b", "c"]}, "objectives: expected numbers"),
        ({"operators": [0, 1, 2], "operator_names": ["one", "two"]}, "expected indices below 2"),
        ({"metadata": {"note": ["a"]}}, "note: expected 3 texts, got 1"),
        ({"metadata": {"note": ["a", 1, "b"]}}, "note: expected text, got int"),
        ({"metadata": {"z": np.zeros(3, dtype=complex)}}, "z: expected numbers"),
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Population(np.zeros((3, 2)), **options)


@pytest.mark.parametrize("genomes", [{}, np.zeros((2, 2, 2)), {"a": [1.0], "b": [1.0, 2.0]}])
def test_genomes_that_do_not_fit_are_refused(genomes: Any) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Population(genomes)


@pytest.mark.parametrize(
    "rows", [slice(1, 5, 2), [3, 3, 0], np.arange(7) % 2 == 0, [], slice(0, 0)], ids=str
)
def test_rows_are_selected_in_every_column(rows: Any) -> None:
    population = _full()
    chosen = population[rows]
    expected = np.arange(7)[
        rows if isinstance(rows, slice) else np.asarray(rows, dtype=None) if len(rows) else []
    ]
    assert len(chosen) == len(expected)
    assert chosen.ids is not None
    assert (chosen.ids - 2**60).tolist() == expected.tolist()
    assert chosen.metadata["note"].tolist() == [f"n{row}" for row in expected]
    assert chosen.genomes["x"].shape == (len(expected), 4)


def test_one_row_by_number() -> None:
    population = _full()
    assert population[-1].equals(population[6:7])
    with pytest.raises(IndexError, match="expected a row below 7"):
        population[7]


def test_slices_are_views() -> None:
    population = _full()
    assert np.shares_memory(population[2:5].genomes["x"], population.genomes["x"])


def test_order_is_feasibility_first_and_failed_last() -> None:
    population = Population(
        np.zeros((5, 1)),
        objectives=[[3.0], [1.0], [0.0], [2.0], [np.nan]],
        violations=[0.0, 0.5, 0.0, 0.0, 0.0],
        failed=[False, False, True, False, True],
    )
    assert population.order().tolist()[:3] == [3, 0, 1]
    assert population.order(descending=True).tolist()[:3] == [0, 3, 1]
    best = population.best(direction="maximize")
    assert best.objectives is not None
    assert best.objectives[0, 0] == 3.0


def test_orders_are_stable_both_ways() -> None:
    population = Population(np.zeros((4, 1)), metadata={"key": [1, 0, 1, 0]})
    assert population.order("key").tolist() == [1, 3, 0, 2]
    assert population.order("key", descending=True).tolist() == [0, 2, 1, 3]


def test_unknown_columns_and_directions_are_named() -> None:
    with pytest.raises(ConfigError, match="'size'"):
        _full().sort("size")
    with pytest.raises(ConfigError, match="direction"):
        _full().best(direction="up")
    with pytest.raises(ConfigError, match="with objectives"):
        Population(np.zeros((2, 1))).sort()
    with pytest.raises(ConfigError, match="one block"):
        _ = _full().x


def test_concat_renumbers_operators_and_fills_parents() -> None:
    first = Population([[1.0]], operators=[1], operator_names=["a", "b"], parents=[[4, 5]])
    second = Population([[2.0]], operators=[0], operator_names=["b"], parents=[[6]])
    joined = Population.concat([first, second])
    assert joined.operators is not None
    assert [joined.operator_names[code] for code in joined.operators] == ["b", "b"]
    assert joined.parents is not None
    assert joined.parents.tolist() == [[4, 5], [6, NO_PARENT]]


def test_concat_undoes_splitting() -> None:
    population = _full()
    assert Population.concat([population[:3], population[3:]]).equals(population)


def test_concat_refuses_different_columns() -> None:
    with pytest.raises(ConfigError, match="not all have objectives"):
        Population.concat([Population([[1.0]], objectives=[1.0]), Population([[1.0]])])
    with pytest.raises(ConfigError, match="one type and width"):
        Population.concat([Population([[1.0]]), Population([[1.0, 2.0]])])
    with pytest.raises(ConfigError, match="got none"):
        Population.concat([])


def _peak(work: Any) -> tuple[int, Any]:
    gc.collect()
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_memory_stays_within_a_fifth_above_the_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x, scores = rng.random((20_000, 50)), rng.random((20_000, 2))
    held, population = _peak(lambda: Population(x, objectives=scores))
    assert held < 20_000  # nothing but views
    for work in (
        lambda: population[rng.permutation(len(population))],
        population.sort,
        lambda: Population.concat([population[:10_000], population[10_000:]]),
    ):
        peak, result = _peak(work)
        assert peak <= 1.2 * result.nbytes
    population.snapshot(tmp_path / "p")
    peak, restored = _peak(lambda: Population.restore(tmp_path / "p"))
    assert restored.equals(population)
    assert peak <= 1.2 * population.nbytes
    assert _peak(lambda: population.snapshot(tmp_path / "p"))[0] <= 0.2 * population.nbytes


@pytest.mark.parametrize("n", [0, 1, 7])
def test_snapshot_restores_every_column(tmp_path: Path, n: int) -> None:
    population = _full(n)
    population.snapshot(tmp_path / "p")
    assert Population.restore(tmp_path / "p").equals(population)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_every_cut_and_every_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    population = Population([[1.0, 2.0]], metadata={"note": ["a"]})
    population.snapshot(path)
    data = path.read_bytes()
    assert len(data) < 600
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(StateError, match="expected a whole snapshot"):
            Population.restore(path)
    for place in range(len(data)):
        spoiled = bytearray(data)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        with pytest.raises(StateError):
            Population.restore(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(StateError, match="after its end"):
        Population.restore(path)


def test_files_that_are_not_there_can_be_caught_as_either(tmp_path: Path) -> None:
    for read in (Population.restore, Population.from_parquet):
        with pytest.raises(MissingFileError, match="found no file"):
            read(tmp_path / "none")
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")
    with pytest.raises(StorageError, match="expected to read a snapshot"):
        Population.restore(tmp_path)


ODD: dict[str, Any] = {
    "masked": np.ma.masked_array([1.0, 2.0], mask=[False, True]),
    "masked_within": [np.ma.masked_array([1.0], mask=[True]), [2.0]],
    "complex": np.array([1.0, 2.0j]),
    "dates": np.array(["2020", "2021"], dtype="M8[Y]"),
    "durations": np.array([1, 2], dtype="m8[s]"),
    "texts": ["1", "2"],
    "objects": np.array(["1", "2"], dtype=object),
    "records": np.zeros(2, dtype=[("a", "f8")]),
}


@pytest.mark.parametrize("odd", ODD)
def test_numbers_that_were_not_meant_are_refused(odd: str) -> None:
    with pytest.raises(ConfigError, match="objectives: expected"):
        Population([[1.0], [2.0]], objectives=ODD[odd])
    if odd not in {"texts", "objects", "records"}:  # which are programs and blocks there
        with pytest.raises(ConfigError, match="block x: expected"):
            Population(ODD[odd])
    shown = Population([[1.0], [2.0]], objectives=np.ma.masked_array([1.0, 2.0], mask=False))
    assert shown.objectives is not None
    assert shown.objectives[:, 0].tolist() == [1.0, 2.0]


def test_another_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p"
    _full(2).snapshot(path)
    data = bytearray(path.read_bytes())
    data[7] = 9
    path.write_bytes(data)
    with pytest.raises(StateError, match="format 9 instead of 1"):
        Population.restore(path)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"columns": [{"name": "genomes.x", "dtype": "O", "shape": [1]}], "extra": {}},
        {"columns": [{"name": "genomes.x", "dtype": "f8", "shape": [-1]}], "extra": {}},
        {"columns": [{"name": "genomes.x", "dtype": "f8", "shape": [2**62, 2**62]}], "extra": {}},
        {"columns": [{"name": "colour", "dtype": "f8", "shape": [0]}], "extra": {}},
        {"columns": [], "extra": {}},
    ],
    ids=str,
)
def test_odd_headers_with_a_right_checksum_are_refused(tmp_path: Path, header: Any) -> None:
    import hashlib

    text = json.dumps(header).encode()
    path = tmp_path / "p"
    path.write_bytes(
        b"chimpop\x01"
        + len(text).to_bytes(8, "little")
        + hashlib.sha256(text).digest()
        + text
        + bytes(-(48 + len(text)) % 64)
    )
    with pytest.raises(StateError):
        Population.restore(path)


def test_failed_snapshot_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "p"
    _full(3).snapshot(path)
    script = """
import resource, signal, sys, numpy as np
from chimera.errors import StorageError
from chimera.evolution import Population
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    Population(np.zeros((10_000, 2))).snapshot(sys.argv[1])
except StorageError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert "nothing was changed" in done.stdout
    assert Population.restore(path).equals(_full(3))
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_places_that_cannot_be_used_are_storage_errors(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="found no file"):
        Population.restore(tmp_path / "none")
    with pytest.raises(StorageError, match="nothing was changed"):
        _full().snapshot(tmp_path / "none" / "p")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text(), max_size=6),
    st.lists(st.floats(width=64), min_size=6, max_size=6),
)
def test_snapshot_keeps_any_text_and_any_float(texts: list[str], floats: list[float]) -> None:
    import tempfile

    n = len(texts)
    population = Population(
        {"x": np.array(floats[:n]).reshape(n, 1)}, metadata={"note": np.array(texts, dtype=object)}
    )
    with tempfile.TemporaryDirectory() as folder:
        population.snapshot(Path(folder) / "p")
        restored = Population.restore(Path(folder) / "p")
    assert restored.equals(population)
    assert restored.x.tobytes() == population.x.tobytes()


@pytest.mark.parametrize("n", [0, 1, 7])
def test_arrow_and_parquet_keep_every_column(tmp_path: Path, n: int) -> None:
    pytest.importorskip("pyarrow")
    population = _full(n)
    assert Population.from_arrow(population.to_arrow()).equals(population)
    population.to_parquet(tmp_path / "p.parquet")
    assert Population.from_parquet(tmp_path / "p.parquet").equals(population)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_arrow_shares_numbers_and_gives_them_back() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from chimera.evolution import _arrow

    x = np.arange(12.0).reshape(4, 3)
    batch = pyarrow.record_batch(Population(x, objectives=np.zeros((4, 1))))
    batch.validate(full=True)
    column = batch.column(0)
    assert column.flatten().buffers()[1].address == x.ctypes.data
    del batch  # a child moved out of its parent lives on
    gc.collect()
    assert column.to_pylist()[3] == [9.0, 10.0, 11.0]
    del column
    gc.collect()
    assert not _arrow._alive


def test_capsules_that_nobody_takes_are_freed() -> None:
    from chimera.evolution import _arrow

    population = _full()
    for _ in range(3):
        population.__arrow_c_array__()
        population.__arrow_c_schema__()
    gc.collect()
    assert not _arrow._alive


def test_exported_tables_may_outlive_everything() -> None:
    pytest.importorskip("pyarrow")
    script = """
import numpy as np
from chimera.evolution import Population
table = Population(np.zeros((3, 2)), metadata={"note": ["a", "b", "c"]}).to_arrow()
capsules = Population(np.zeros((3, 2))).__arrow_c_array__()
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_damaged_or_foreign_parquet_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "p.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(StateError, match="damaged"):
        Population.from_parquet(path)
    parquet.write_table(pyarrow.table({"genomes.x": [1.0, None]}), path)
    with pytest.raises(StateError, match="nulls"):
        Population.from_parquet(path)
    parquet.write_table(pyarrow.table({"colour": [1.0]}), path)
    with pytest.raises(StateError, match="columns of a population"):
        Population.from_parquet(path)
    with pytest.raises(StorageError):
        Population.from_parquet(tmp_path / "none")


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"'chimera-engine\[arrow\]'"):
        _full().to_arrow()


def test_algorithms_hand_out_their_population_without_copying() -> None:
    search = RandomSearch([(-1.0, 1.0)] * 3, direction="maximize")
    batch = search.ask()
    search.tell(batch, (batch**2).sum(axis=1))
    population = search.population
    assert population.objectives is not None
    assert population.objectives[0, 0] == search.best_score
    assert np.array_equal(population.x[0], search.best_x)
    assert population.violations is None


def test_mixed_spaces_give_a_block_each() -> None:
    search = RandomSearch(mixed(a=real(0, 1, 2), b=permutation(4)))
    search.tell(search.ask(), np.arange(100.0))
    genomes = search.population.genomes
    assert {name: block.shape for name, block in genomes.items()} == {"a": (1, 2), "b": (1, 4)}
