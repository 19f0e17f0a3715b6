"""The genome database: what is stored and asked; SQLite and PostgreSQL."""

import gc
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evolution.breeding import Breeder, breed, sphere

from chimera.errors import (
    BatchError,
    ConflictError,
    StateError,
    StorageError,
)
from chimera.evolution import (
    GA,
    NO_PARENT,
    NSGA2,
    Algorithm,
    GenomeDatabase,
    Grid,
    MapElites,
    RandomSearch,
    boolean,
    category,
    mixed,
    optimize,
    permutation,
    real,
)
from chimera.evolution.database.postgres import translate

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).parents[2]


def test_every_told_row_comes_back(database: GenomeDatabase) -> None:
    with database.record(Breeder()) as search:
        seen = breed(search)
    stored = database.individuals(search.run)
    ids, x, scores, parents, operators = (
        [row for part in column for row in part] for column in zip(*seen, strict=True)
    )
    assert stored.ids is not None
    assert stored.objectives is not None
    assert stored.operators is not None
    assert stored.parents is not None
    assert stored.generations is not None
    assert stored.ids.tolist() == ids
    assert np.array_equal(stored.x, np.array(x))
    assert stored.objectives[:, 0].tolist() == scores
    assert stored.operators.tolist() == operators
    assert stored.operator_names == ("copy", "noise")
    assert stored.generations.tolist() == np.repeat(np.arange(4), 20).tolist()
    for row, expected in enumerate(parents):
        known = {parent for parent in stored.parents[row].tolist() if parent != 2**64 - 1}
        assert known == set(np.asarray(expected).tolist())


def test_runs_say_what_they_were(database: GenomeDatabase) -> None:
    before = time.time()
    with database.record(Breeder(seed=2**63 + 5)) as search:
        breed(search)
    record = database.run(search.run)
    assert (record.algorithm, record.seed, record.settings) == ("breeder", 2**63 + 5, {"size": 1})
    assert (record.n_generations, record.n_evaluations, record.direction) == (4, 80, "minimize")
    assert record.space[0]["lower"] == [-1.0] * 10
    assert record.finished is not None
    assert before - 1 <= record.created <= record.finished
    assert record.best == min(database.progress(search.run)["best"])


def test_runs_are_apart(database: GenomeDatabase) -> None:
    first, second = (database.record(Breeder(seed=seed)) for seed in (1, 2))
    for _ in range(3):
        breed(first, 1)
        breed(second, 1)
    assert [run.id for run in database.runs()] == [first.run, second.run]
    assert not np.array_equal(database.individuals(first.run).x, database.individuals(second.run).x)
    database.delete(first.run)
    assert [run.id for run in database.runs()] == [second.run]
    assert len(database.individuals(second.run)) == 60
    for table in ("operators", "generations", "individuals", "parents"):
        query = f"SELECT DISTINCT run FROM {table}"  # noqa: S608
        assert database.sql(query) == [{"run": second.run}]


def test_best_follows_the_feasibility_rule(database: GenomeDatabase) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)] * 2, batch_size=4))
    search.tell(
        search.ask(),
        [5.0, 1.0, 3.0, np.nan],
        violations=[0.0, 0.5, 0.0, np.nan],
        failed=[False, False, False, True],
    )
    best = database.best(search.run, 10)
    assert best.objectives is not None
    assert best.objectives[:, 0].tolist() == [3.0, 5.0, 1.0]
    progress = database.progress(search.run)
    assert (progress["best"][0], progress["mean"][0], progress["n_failed"][0]) == (3.0, 3.0, 1)
    rows = database.sql("SELECT id, failed, objective FROM individuals ORDER BY id")
    assert rows[3]["objective"] is None
    assert [bool(row["failed"]) for row in rows] == [False, False, False, True]


def test_maximisation_keeps_its_sign(database: GenomeDatabase) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)] * 2, batch_size=3, direction="maximize"))
    search.tell(search.ask(), [1.0, 3.0, 2.0])
    search.tell(search.ask(), [0.0, 0.5, 0.25])
    best = database.best(search.run)
    assert best.objectives is not None
    assert best.objectives[0, 0] == search.best_score == database.run(search.run).best == 3.0
    rows = database.sql("SELECT best_so_far FROM progress ORDER BY generation")
    assert [row["best_so_far"] for row in rows] == [3.0, 3.0]


def test_mixed_genomes_come_back(database: GenomeDatabase) -> None:
    space = mixed(
        a=real(0, 1, 3),
        b=boolean(5),
        c=category([2, 3]),
        d=permutation(4),
        e=real(0, 1, 2, dtype="float32"),
    )
    search = database.record(RandomSearch(space, batch_size=6))
    batch = search.ask()
    search.tell(batch, np.arange(6.0))
    stored = database.individuals(search.run)
    for name, block in batch.items():
        assert stored.genomes[name].dtype == block.dtype
        assert np.array_equal(stored.genomes[name], block)


BOUNDS = [(-1.0, 1.0)] * 4
SEARCHES: dict[str, Callable[[], Algorithm]] = {
    "ga": lambda: GA(BOUNDS, population_size=20, seed=1),
    "nsga2": lambda: NSGA2(BOUNDS, population_size=20, seed=1),
    "map_elites": lambda: MapElites(
        BOUNDS, cells=Grid((5, 5), [(-1.0, 1.0)] * 2), batch_size=20, seed=1
    ),
}


@pytest.mark.parametrize("method", SEARCHES)
def test_searches_tell_where_every_individual_comes_from(
    database: GenomeDatabase, method: str
) -> None:
    search = database.record(SEARCHES[method]())
    for _ in range(6):
        batch = search.ask()
        scores = sphere(batch)
        if method == "nsga2":
            scores = np.column_stack([scores, sphere(batch - 1.0)])
        behaviour = batch[:, :2] if method == "map_elites" else None
        search.tell(batch, scores, descriptors=behaviour)
    stored = database.individuals(search.run)
    assert stored.ids is not None
    assert stored.parents is not None
    known = set(stored.ids.tolist())
    assert len(known) == len(stored)
    assert set(stored.parents.ravel().tolist()) - {NO_PARENT} <= known
    assert sum(item.n_children for item in database.operator_credit(search.run)) > 50
    assert len(database.lineage(search.run, int(stored.ids[-1]))) > 1


def test_several_objectives_and_descriptors_come_back(database: GenomeDatabase) -> None:
    search = database.record(Breeder(size=4))
    scores = np.array([[1.0, 2.0], [np.nan, 0.0], [0.1, -0.3], [1e-300, 5.0]])
    behaviour = np.arange(12.0).reshape(4, 3) / 7
    failed = [False, True, False, False]
    search.tell(search.ask(), scores, descriptors=behaviour, failed=failed)
    stored = database.individuals(search.run)
    assert stored.objectives is not None
    assert stored.descriptors is not None
    assert np.array_equal(stored.objectives[~np.array(failed)], scores[~np.array(failed)])
    assert np.isnan(stored.objectives[1]).all()
    assert np.array_equal(stored.descriptors[0], behaviour[0])


def test_objectives_are_reachable_in_sql(place: str, database: GenomeDatabase) -> None:
    search = database.record(Breeder(size=2))
    search.tell(search.ask(), [[1.0, 2.5], [3.0, 4.5]])
    item = "objectives[2]" if place.startswith("postgres") else "objectives ->> 1"
    rows = database.sql(f"SELECT {item} AS second FROM individuals ORDER BY id")  # noqa: S608
    assert [row["second"] for row in rows] == [2.5, 4.5]


class Writer(Breeder):
    """Breeds programs instead of numbers."""

    def __init__(self) -> None:
        super().__init__(size=3)
        self.blocks = [("program", "program", [0.0], [1.0])]

    def tell(self, batch: Any, scores: Any, **options: Any) -> None:
        super().tell(np.zeros((len(batch), 1)), scores, **options)


def test_programs_are_text(database: GenomeDatabase) -> None:
    search = database.record(Writer())
    search.ask()
    texts = ["a = 1", "b = 'é\n'", ""]
    search.tell(np.array(texts, dtype=object), [1.0, np.nan, 2.0], failed=[False, True, False])
    assert database.individuals(search.run).x.tolist() == texts
    assert database.sql("SELECT id FROM individuals WHERE program LIKE ?", ["a =%"]) == [{"id": 0}]


def ancestors(search: list[Any], individual: int) -> set[int]:
    parents = {
        int(idx): [int(parent) for parent in row]
        for ids, _, _, rows, _ in search
        for idx, row in zip(ids, rows, strict=True)
    }
    found, waiting = set(), [individual]
    while waiting:
        idx = waiting.pop()
        if idx not in found:
            found.add(idx)
            waiting += parents[idx]
    return found


def test_lineage_and_descendants_follow_the_parents(database: GenomeDatabase) -> None:
    search = database.record(Breeder())
    seen = breed(search, 6)
    line = database.lineage(search.run, 119)
    assert line.ids is not None
    assert line.ids.tolist() == sorted(ancestors(seen, 119))
    root = int(line.ids[0])
    family = database.descendants(search.run, root)
    assert family.ids is not None
    assert family.ids.tolist() == [idx for idx in range(root, 120) if root in ancestors(seen, idx)]
    assert len(database.lineage(search.run, 119, n_max=3)) == 3
    assert 119 in database.lineage(search.run, 119, n_max=1).ids.tolist()  # type: ignore[union-attr]
    with pytest.raises(StorageError, match="got 120"):
        database.lineage(search.run, 120)


@pytest.mark.parametrize("maximized", [(), (True,)])
def test_operator_credit_is_what_numpy_says(
    database: GenomeDatabase, maximized: tuple[bool, ...]
) -> None:
    search = database.record(Breeder(maximized=maximized))
    seen = breed(search, 5)
    sign = -1.0 if maximized else 1.0
    scores = np.concatenate([part[2] for part in seen]) * sign
    expected: dict[str, list[tuple[bool, float]]] = {"copy": [], "noise": []}
    for ids, _, _, parents, operators in seen[1:]:
        for idx, row, operator in zip(ids, parents, operators, strict=True):
            elders = scores[np.unique(row).astype(int)]
            gain = elders.mean() - scores[idx]
            expected[Breeder.operators[operator]].append((scores[idx] < elders.min(), gain))
    found = database.operator_credit(search.run)
    assert [row.operator for row in found] == ["copy", "noise"]
    for row in found:
        claims, gains = zip(*expected[row.operator], strict=True)
        assert row.n_children == len(claims)
        assert row.success_rate == pytest.approx(np.mean(claims))
        assert row.mean_gain == pytest.approx(np.mean(gains))
    parts = database.operator_credit(search.run, by_generation=True)
    assert sum(part.n_children for part in parts) == 80
    assert {part.generation for part in parts} == {1, 2, 3, 4}
    assert len(database.sql("SELECT * FROM operator_credit")) == len(parts)


def test_infeasible_and_failed_children_earn_nothing(database: GenomeDatabase) -> None:
    search = database.record(Breeder(size=4))
    search.tell(search.ask(), [4.0, 3.0, 2.0, 1.0])
    search.tell(
        search.ask(),
        [-1.0, -1.0, np.nan, -1.0],
        violations=[1.0, 0.0, 0.0, 0.0],
        failed=[False, False, True, False],
    )
    rows = database.sql("SELECT id, is_better, gain FROM offspring ORDER BY id")
    assert [row["is_better"] for row in rows] == [0, 1, 0, 1]
    assert [row["gain"] is None for row in rows] == [True, False, True, False]


def test_queries_of_ones_own_only_read(database: GenomeDatabase) -> None:
    search = database.record(Breeder())
    breed(search, 1)
    assert database.sql("SELECT COUNT(*) AS n FROM individuals WHERE id < ?", [5]) == [{"n": 5}]
    for query in (
        "DELETE FROM individuals",
        "UPDATE runs SET algorithm = 'x'",
        "DROP TABLE runs",
        "INSERT INTO operators VALUES (9, 9, 'x')",
        "SELECT 1; DELETE FROM individuals",
        "nonsense",
    ):
        with pytest.raises(StorageError):
            database.sql(query)
    assert len(database.individuals(search.run)) == 20


@pytest.mark.parametrize("query", ["ATTACH '{}' AS other", "VACUUM INTO '{}'", "BEGIN"])
def test_sqlite_queries_cannot_reach_other_files(tmp_path: Path, query: str) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        with pytest.raises(StorageError):
            database.sql(query.format(tmp_path / "other.db"))
        assert not (tmp_path / "other.db").exists()
        assert database.sql("SELECT value FROM json_each('[1, 2]')") == [{"value": 1}, {"value": 2}]


def test_what_the_search_refuses_is_not_stored(database: GenomeDatabase) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)] * 2))
    batch = search.ask()
    with pytest.raises(BatchError):
        search.tell(batch, np.full(100, np.nan))
    assert database.run(search.run).n_generations == 0
    search.tell(batch, np.zeros(100))
    assert database.run(search.run).n_generations == 1


def test_the_recorder_stands_in_for_the_search(database: GenomeDatabase) -> None:
    plain = RandomSearch([(0.0, 1.0)] * 2, seed=4)
    with database.record(RandomSearch([(0.0, 1.0)] * 2, seed=4)) as search:
        for each in (plain, search):
            for _ in range(3):
                batch = each.ask()
                each.tell(batch, sphere(batch))
    assert search.best_score == plain.best_score
    assert search.generation == 3
    assert search.save() == plain.save()


@pytest.mark.parametrize("how", ["wrapped", "callback"])
def test_a_loop_records(database: GenomeDatabase, how: str) -> None:
    plain = Breeder(size=10)
    recorder = database.record(plain)
    loop = optimize(
        recorder if how == "wrapped" else plain,
        sphere,
        callback=None if how == "wrapped" else recorder,
        termination=lambda step: "enough" if step.generation == 5 else None,
    ).run()
    recorder.finish(loop.stop_reason)
    record = database.run(recorder.run)
    assert (record.n_generations, record.n_evaluations, record.stop_reason) == (5, 50, "enough")
    assert len(database.operator_credit(recorder.run)) == 2


def test_own_rows_told_to_a_steady_search_get_their_own_identities(
    database: GenomeDatabase,
) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)] * 2))
    first, second = search.ask(4), search.ask(3)
    search.tell(second, sphere(second))
    later = first[1:3].copy()
    search.tell(later, sphere(later))
    own = np.full((2, 2), 0.5)
    search.tell(own, sphere(own))
    rows = database.sql("SELECT generation, id FROM individuals ORDER BY generation, id")
    assert [(row["generation"], row["id"]) for row in rows] == [
        *((0, idx) for idx in (4, 5, 6)),
        *((1, idx) for idx in (1, 2)),
        *((2, idx) for idx in (7, 8)),
    ]


def test_resuming_replaces_what_the_saved_search_has_not_told(database: GenomeDatabase) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)] * 2, batch_size=5, seed=1))
    for _ in range(3):
        batch = search.ask()
        search.tell(batch, sphere(batch))
        if search.generation == 2:
            state = search.save()
    before = database.individuals(search.run)
    resumed = database.record(Algorithm.load(state), run=search.run)
    assert database.run(search.run).n_generations == 2
    batch = resumed.ask()
    resumed.tell(batch, sphere(batch))
    assert database.individuals(search.run).equals(before)


def test_a_steady_run_resumes_as_often_as_it_is_killed(database: GenomeDatabase) -> None:
    search: Any = RandomSearch([(0.0, 1.0)] * 2, batch_size=3)
    run = None
    for _ in range(3):
        recorder = database.record(search, run=run)
        run = recorder.run
        own = np.random.default_rng(search.generation).random((3, 2))
        recorder.ask()
        recorder.tell(own, own[:, 0])  # rows that were never asked
        batch = recorder.ask()
        recorder.tell(batch, batch[:, 0])
        late = recorder.ask()  # asked before the save, told after it
        search = Algorithm.load(search.save())
        recorder = database.record(search, run=run)
        recorder.tell(late, late[:, 0])
    assert run is not None
    ids = database.sql("SELECT id FROM individuals WHERE run = ?", [run])
    assert len({row["id"] for row in ids}) == len(ids) == 27
    stored = database.individuals(run)
    assert stored.ids is not None
    # Of each session the second generation was asked, the first was not, and the third was asked
    # before the search was saved.
    generations = database.sql(
        "SELECT generation, MIN(id) AS least FROM individuals WHERE run = ? GROUP BY generation "
        "ORDER BY generation",
        [run],
    )
    assert [row["least"] for row in generations] == [3, 6, 9, 15, 18, 21, 27, 30, 33]
    assert len(database.lineage(run, 3)) == 1


def test_a_generation_that_contradicts_what_is_stored_blocks_nothing(
    database: GenomeDatabase,
) -> None:
    first = database.record(Breeder())
    rival = database.record(Breeder(), run=first.run)
    breed(first, 1)
    batch = rival.ask()
    with pytest.raises(ConflictError, match="another process may record the same run"):
        rival.tell(batch, sphere(batch))
    with pytest.raises(StorageError, match=r"1 of run \d+ are missing.*between 0 and 0"):
        rival.flush()
    rival.flush()  # it is said once
    breed(rival, 2)
    assert database.progress(first.run)["generation"].tolist() == [0, 1, 2]
    rival.finish()
    assert rival.n_missing == 1


def test_a_contradiction_may_be_skipped(
    database: GenomeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    first = database.record(Breeder())
    rival = database.record(Breeder(), run=first.run, on_error="skip")
    breed(first, 1)
    breed(rival, 3)
    rival.finish()
    assert "generations 0 to 0 are missing in the database (1 in all)" in caplog.text
    assert database.progress(first.run)["generation"].tolist() == [0, 1, 2]


def test_what_is_given_up_while_the_database_fails_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        search = database.record(Breeder())
        breed(search, 1)
        broken = sqlite3.connect(tmp_path / "runs.db")
        broken.execute("ALTER TABLE generations RENAME TO away")
        broken.commit()
        messages = []
        for _ in range(20):
            batch = search.ask()
            with pytest.raises(StorageError) as caught:
                search.tell(batch, sphere(batch))
            messages.append(str(caught.value))
        assert not any("are missing" in message for message in messages[:16])
        assert "1 generations are missing" in messages[16]
        assert "4 generations are missing in run 1, the last ones between 1 and 4" in messages[-1]
        assert "generations 4 to 4 are missing in the database (4 in all)" in caplog.text
        assert search.n_missing == 4
        broken.execute("ALTER TABLE away RENAME TO generations")
        broken.commit()
        broken.close()
        with pytest.raises(StorageError, match=r"4 of run 1 are missing.*between 1 and 4"):
            search.finish()
        assert database.run(1).finished is not None
        assert database.progress(1)["generation"].tolist() == [0, *range(5, 21)]
        search.finish()


def test_resuming_another_search_is_refused(database: GenomeDatabase) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)] * 2, seed=1))
    for other, name in (
        (RandomSearch([(0.0, 1.0)] * 2, seed=2), "seed"),
        (RandomSearch([(0.0, 1.0)] * 3, seed=1), "space"),
        (Breeder(), "algorithm"),
    ):
        with pytest.raises(StateError, match=f"another {name}"):
            database.record(other, run=search.run)
    with pytest.raises(StorageError, match="got 99"):
        database.record(RandomSearch([(0.0, 1.0)] * 2, seed=1), run=99)


@pytest.mark.parametrize(
    "search",
    [GA([(0.0, 1.0)] * 100, population_size=500), RandomSearch([(0.0, 1.0)] * 100, batch_size=500)],
    ids=["generational", "steady"],
)
def test_recording_streams(tmp_path: Path, search: Algorithm) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        recorder = database.record(search)
        for generation in range(25):
            batch = recorder.ask()
            scores = sphere(batch)
            if generation == 5:  # statements and pages are cached by now
                gc.collect()
                tracemalloc.start()
            recorder.tell(batch, scores)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 0.4 * batch.nbytes  # of 20 generations
    assert peak < 5 * batch.nbytes


def test_interrupted_runs_say_so(database: GenomeDatabase) -> None:
    with pytest.raises(ZeroDivisionError), database.record(Breeder()) as search:
        _ = 1 / 0
    assert database.run(search.run).stop_reason == "interrupted by ZeroDivisionError"


def test_many_runs_record_at_once(place: str) -> None:
    script = """
import sys
from tests.evolution.breeding import Breeder, breed, sphere
from chimera.evolution import GenomeDatabase
with GenomeDatabase(sys.argv[1]) as database, database.record(Breeder(seed=int(sys.argv[2]))) as s:
    for _ in range(30):
        batch = s.ask()
        s.tell(batch, sphere(batch))
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, place, str(seed)], cwd=ROOT)
        for seed in range(4)
    ]
    assert [process.wait(50) for process in processes] == [0] * 4
    with GenomeDatabase(place, read_only=True) as database:
        assert [run.n_generations for run in database.runs()] == [30] * 4
        assert {run.seed for run in database.runs()} == {0, 1, 2, 3}


def test_threads_share_a_database(database: GenomeDatabase) -> None:
    def work(seed: int) -> int:
        with database.record(Breeder(seed=seed)) as search:
            breed(search, 10)
        return len(database.individuals(search.run))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [200] * 4
    assert {run.n_generations for run in database.runs()} == {10}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a = ?", "a = %s"),
        ("'?' || \"?\" -- ?\n ? /* ? */ %", "'?' || \"?\" -- ?\n %s /* ? */ %%"),
        ("'it''s ?' ?", "'it''s ?' %s"),
        ("a LIKE '%x'", "a LIKE '%%x'"),
    ],
)
def test_placeholders_are_translated_outside_quotes(given: str, expected: str) -> None:
    assert translate(given) == expected


def test_settings_and_figures_are_json(database: GenomeDatabase) -> None:
    search = database.record(RandomSearch([(0.0, 1.0)], batch_size=2), settings={"note": "mine"})
    search.tell(search.ask(), [1.0, 2.0])
    row = database.sql("SELECT settings FROM runs")[0]
    assert json.loads(row["settings"]) == {"note": "mine"}
    breeder = database.record(Breeder())
    breed(breeder, 2)
    assert database.progress(breeder.run)["spread"].shape == (2,)


def _documented_queries() -> list[str]:
    page = (ROOT / "docs" / "evolution" / "database.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "SELECT" in block]


def test_documented_queries_run(database: GenomeDatabase) -> None:
    queries = _documented_queries()
    assert len(queries) == 3
    breed(database.record(Breeder(size=2000)), 3)
    for query in queries:
        assert database.sql(query.rstrip().rstrip(";"))


def test_the_process_leaves_no_file_open(tmp_path: Path) -> None:
    folder = Path(f"/proc/{os.getpid()}/fd")
    if not folder.exists():
        pytest.skip("needs /proc")
    n_open = len(list(folder.iterdir()))
    for _ in range(3):
        with GenomeDatabase(tmp_path / "runs.db") as database:
            breed(database.record(Breeder()), 1)
            database.runs()
    assert len(list(folder.iterdir())) == n_open
