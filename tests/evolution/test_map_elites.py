"""MAP-Elites, CMA-ME and CMA-MAE: coverage and quality, threads, saving, bad input."""

from typing import Any, cast

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError
from chimera.evolution import (
    CMAMAE,
    CMAME,
    CVT,
    Algorithm,
    Grid,
    MapElites,
    NoveltySearch,
    SlidingGrid,
    real,
)

N_GENES = 20
BOUND = 5.12
SPACE = [(-BOUND, BOUND)] * N_GENES
REACH = BOUND * N_GENES / 2
CELLS = Grid((50, 50), [(-REACH, REACH)] * 2)
CVT_CELLS = CVT(200, [(-REACH, REACH)] * 2, n_samples=5000)


def _evaluate(batch: Any) -> tuple[Any, Any]:
    """Return the linear projection domain of Fontaine et al., 2020, scaled to at most 100."""
    shift = 0.4 * BOUND
    worst = N_GENES * (BOUND + shift) ** 2
    scores = 100.0 * (1 - ((batch - shift) ** 2).sum(axis=1) / worst)
    half = N_GENES // 2
    sums = np.stack([batch[:, :half].sum(axis=1), batch[:, half:].sum(axis=1)], axis=1)
    return scores, np.clip(sums, -REACH, REACH)


def _run(search: Algorithm, n_evaluations: int) -> Algorithm:
    while search.n_evaluations < n_evaluations:
        batch = search.ask()
        scores, descriptors = _evaluate(np.asarray(batch, dtype=np.float64))
        search.tell(batch, scores, descriptors=descriptors)
    return search


def _searches(**options: Any) -> list[Algorithm]:
    sliding = SlidingGrid((20, 20), [(-REACH, REACH)] * 2)
    narrow = real(-BOUND, BOUND, N_GENES, dtype="float32")
    return [
        MapElites(SPACE, cells=CELLS, **options),
        MapElites(narrow, cells=sliding, outside="clip", **options),
        CMAME(SPACE, cells=CVT_CELLS, **options),
        CMAMAE(SPACE, cells=CELLS, threshold_min=0.0, covariance="separable", **options),
        NoveltySearch(SPACE, n_descriptors=2, local_competition=True, **options),
    ]


# Least QD score (offset 0, 2 500 cells) over three seeds after 50 000 evaluations; a uniform random
# search reaches less than 20 000. The best possible is below 250 000.
@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda seed: MapElites(SPACE, cells=CELLS, seed=seed), 150_000.0),
        (lambda seed: CMAME(SPACE, cells=CELLS, seed=seed), 150_000.0),
        (lambda seed: CMAMAE(SPACE, cells=CELLS, threshold_min=0.0, seed=seed), 80_000.0),
    ],
    ids=["map_elites", "cma_me", "cma_mae"],
)
def test_quality_and_coverage_on_the_linear_projection(make: Any, least: float) -> None:
    for seed in range(3):
        search = _run(make(seed), 50_000)
        held = search.holdings()
        assert search.figures["qd_score"] == pytest.approx(held["objectives"].sum(), rel=1e-9)
        assert search.figures["qd_score"] > least, f"seed {seed}"
        assert search.best_score > 90.0, f"seed {seed}"


def test_elites_keep_what_was_told() -> None:
    search = _run(MapElites(SPACE, cells=CELLS, seed=2), 5_000)
    held = search.holdings()
    scores, descriptors = _evaluate(held["genomes"])
    assert np.allclose(scores, held["objectives"][:, 0], rtol=0, atol=1e-12)
    assert np.array_equal(descriptors, held["descriptors"])
    assert len(set(held["ids"].tolist())) == len(held["ids"])
    assert held["ids"].max() < search.n_evaluations


def test_children_come_from_elites() -> None:
    search = _run(MapElites(SPACE, cells=CELLS, batch_size=100, seed=2), 1_000)
    known = set(search.holdings()["ids"].tolist())
    search.ask()
    lineage = search.lineage
    assert set(lineage.parents.ravel().tolist()) <= known
    assert {search.operators[idx] for idx in lineage.operators} == {"iso_line"}


@pytest.mark.parametrize("which", range(5))
def test_threads_and_saving_change_no_bit(which: int) -> None:
    runs = [_searches(seed=7, threads=threads)[which] for threads in (1, 2, 4)]
    loaded = _searches(seed=7)[which]
    for n in range(400, 4_000, 400):
        for run in runs:
            _run(run, n)
        loaded = Algorithm.load(_run(loaded, n).save())
    states = [run.save() for run in [*runs, loaded]]
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize("which", range(4))
def test_failed_and_infeasible_rows_stay_out(which: int) -> None:
    search = _searches(seed=1)[which]
    for _ in range(3):
        batch = search.ask()
        scores, descriptors = _evaluate(np.asarray(batch, dtype=np.float64))
        failed = np.arange(len(scores)) % 3 == 0
        violations = (np.arange(len(scores)) % 3 == 1).astype(float)
        scores[failed] = np.nan
        descriptors[failed] = np.nan
        scores[~failed & (violations == 0)] = 5.0
        scores[violations > 0] = 99.0
        search.tell(batch, scores, descriptors=descriptors, failed=failed, violations=violations)
    assert set(search.holdings()["objectives"].ravel().tolist()) == {5.0}


def test_minimizing_mirrors_maximizing() -> None:
    high = MapElites(SPACE, cells=CELLS, seed=3)
    low = MapElites(SPACE, cells=CELLS, seed=3, direction="minimize")
    for _ in range(20):
        high_batch, low_batch = high.ask(), low.ask()
        assert np.array_equal(high_batch, low_batch)
        scores, descriptors = _evaluate(high_batch)
        high.tell(high_batch, scores, descriptors=descriptors)
        low.tell(low_batch, -scores, descriptors=descriptors)
    assert np.array_equal(high.holdings()["genomes"], low.holdings()["genomes"])
    assert high.best_score == -low.best_score


@pytest.mark.parametrize("which", [0, 2, 3])
def test_descriptors_outside_are_refused_and_change_nothing(which: int) -> None:
    search = _run(_searches(seed=1)[which], 500)
    batch = search.ask()
    before = search.save()
    scores, descriptors = _evaluate(batch)
    with pytest.raises(BatchError, match='outside="clip"'):
        search.tell(batch, scores + 99, descriptors=descriptors + 2 * REACH)
    with pytest.raises(BatchError, match="descriptors"):
        search.tell(batch, scores + 99)
    assert search.save() == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MapElites([(0.0, np.inf)], cells=CELLS), "finite bounds"),
        (lambda: MapElites(SPACE, cells=CELLS, batch_size=0), "batch_size"),
        (lambda: MapElites(SPACE, cells=CELLS, iso_sigma=-1.0), "iso_sigma"),
        (lambda: MapElites(SPACE, cells=CELLS, outside="x"), "outside"),  # type: ignore[arg-type]
        (
            lambda: MapElites(SPACE, cells=cast("Any", None)),
            "cells: expected Grid, CVT or SlidingGrid",
        ),
        (
            lambda: CMAME(SPACE, cells=CELLS, qd_offset=cast("Any", "x")),
            "qd_offset: expected a number",
        ),
        (
            lambda: CMAMAE(SPACE, cells=CELLS, threshold_min=cast("Any", None)),
            "threshold_min: expected a num",
        ),
        (lambda: CMAME(SPACE, cells=CVT(None, [(0, 1)], centroids="x")), "centroids"),
        (lambda: MapElites(SPACE, cells=Grid((5,), [(0, 1)] * 2)), "shape"),
        (lambda: MapElites(SPACE, cells=CVT(None, [(0, 1)])), "n_cells"),
        (lambda: MapElites(SPACE, cells=CVT(10, [(0, 1)], n_samples=5)), "n_samples"),
        (lambda: CMAME(SPACE, cells=CELLS, sigma=0.0), "sigma"),
        (lambda: CMAME(SPACE, cells=CELLS, emitter_size=1), "emitter_size"),
        (lambda: CMAME(SPACE, cells=CELLS, x0=[9.0] * N_GENES), "x0"),
        (lambda: CMAMAE(SPACE, cells=CELLS, threshold_min=0.0, learning_rate=2.0), "learning"),
    ],
)
def test_bad_settings_are_named(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
