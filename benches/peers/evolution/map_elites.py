"""MAP-Elites, CMA-ME and CMA-MAE beside pyribs: overhead an evaluation, and QD score.

The linear projection domain of Fontaine et al., 2020, on the sphere or Rastrigin's function, scores
scaled to 100. Overhead is the time in ask and tell. Emitters of both sides have the same number,
size and first step size.
"""

import time

import timing  # isort: skip -- before NumPy
import numpy as np
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter, IsoLineEmitter
from ribs.schedulers import Scheduler

from chimera.evolution import CMAMAE, CMAME, Grid, MapElites, real

BOUND = 5.12


class Projection:
    """The domain: scores at most 100, descriptors are sums of clipped genes."""

    def __init__(self, function, n_genes):
        self.n_genes, self.reach = n_genes, BOUND * n_genes / 2
        self.is_sphere = function == "sphere"
        self.worst = self.loss(np.full((1, n_genes), -BOUND))[0]

    def loss(self, genes):
        shifted = genes - 0.4 * BOUND
        if self.is_sphere:
            return (shifted**2).sum(axis=1)
        return (shifted**2 - 10 * np.cos(2 * np.pi * shifted) + 10).sum(axis=1)

    def __call__(self, genes):
        scores = 100 * (1 - self.loss(genes) / self.worst)
        safe = np.where(genes == 0, 1, genes)
        clipped = np.where(np.abs(genes) > BOUND, BOUND / safe, genes)
        half = self.n_genes // 2
        return scores, np.stack([clipped[:, :half].sum(1), clipped[:, half:].sum(1)], axis=1)


def run_ours(search, domain, generations):
    seconds = 0.0
    for _ in range(generations):
        start = time.perf_counter()
        batch = search.ask()
        seconds += time.perf_counter() - start
        scores, descriptors = domain(batch)
        start = time.perf_counter()
        search.tell(batch, scores, descriptors=descriptors)
        seconds += time.perf_counter() - start
    figures = search.figures
    return seconds / search.n_evaluations, figures["qd_score"], figures["coverage"]


def run_theirs(parts, domain, generations):
    archive, emitters, shown = parts
    scheduler, seconds, n_rows = Scheduler(archive, emitters, result_archive=shown), 0.0, 0
    for _ in range(generations):
        start = time.perf_counter()
        batch = scheduler.ask()
        seconds += time.perf_counter() - start
        scores, descriptors = domain(batch)
        start = time.perf_counter()
        scheduler.tell(scores, descriptors)
        seconds += time.perf_counter() - start
        n_rows += len(batch)
    stats = (shown or archive).stats
    return seconds / n_rows, float(stats.qd_score), float(stats.coverage)


def contests(domain, batch, n_emitters=5, size=36, *, is_bounded=True):
    """Return {name: (ours(seed), theirs(seed))}; MAP-Elites only in bounds."""
    n, bound = domain.n_genes, BOUND if is_bounded else np.inf
    space = real(-bound, bound, n)
    cells = Grid((100, 100), [(-domain.reach, domain.reach)] * 2)
    box = {"lower_bounds": [-bound] * n, "upper_bounds": [bound] * n}
    ours = {"cells": cells, "outside": "clip"}
    sigma = {"sigma": 0.5 / (2 * BOUND) if is_bounded else 0.5}
    sigma |= {"n_emitters": n_emitters, "emitter_size": size}

    def archive(seed, **options):
        ranges = [(-domain.reach, domain.reach)] * 2
        return GridArchive(solution_dim=n, dims=[100, 100], ranges=ranges, seed=seed, **options)

    def iso_line(seed):
        held = archive(seed)
        sigmas = {"iso_sigma": 0.01 * 2 * BOUND, "line_sigma": 0.2}
        emitter = IsoLineEmitter(held, x0=[0.0] * n, batch_size=batch, seed=seed, **sigmas, **box)
        return held, [emitter], None

    def strategies(held, seed, **options):
        made = {"x0": [0.0] * n, "sigma0": 0.5, "batch_size": size, **box, **options}
        return [
            EvolutionStrategyEmitter(held, seed=1000 * seed + idx, **made)
            for idx in range(n_emitters)
        ]

    def cma_me(seed):
        held = archive(seed)
        rules = {"selection_rule": "filter", "restart_rule": "no_improvement"}
        return held, strategies(held, seed, ranker="2imp", **rules), None

    def cma_mae(seed):
        held = archive(seed, learning_rate=0.01, threshold_min=0.0)
        emitters = strategies(held, seed, ranker="imp", selection_rule="mu", restart_rule="basic")
        return held, emitters, archive(seed)

    plain = {
        "MAP-Elites": (
            lambda seed: MapElites(space, batch_size=batch, seed=seed, **ours),
            iso_line,
        )
    }
    return (plain if is_bounded else {}) | {
        "CMA-ME": (lambda seed: CMAME(space, seed=seed, **ours, **sigma), cma_me),
        "CMA-MAE": (
            lambda seed: CMAMAE(space, threshold_min=0.0, seed=seed, **ours, **sigma),
            cma_mae,
        ),
    }


def main():
    options = timing.arguments(
        __doc__,
        genes=(100, "number of genes"),
        batch=(1024, "rows of a batch of MAP-Elites"),
        evaluations=(100_000, "evaluations of a run"),
        seeds=(3, "runs of each contender"),
        function=("sphere", "sphere or rastrigin"),
        only=("", "only the method of this name"),
    )
    domain = Projection(options.function, options.genes)
    figures = {"versions": timing.versions("ribs")}
    for name, (ours, theirs) in contests(domain, options.batch).items():
        if options.only not in name:
            continue
        rows = options.batch if name == "MAP-Elites" else 180
        generations = max(1, options.evaluations // rows)
        found = {"chimera": [], "pyribs": []}
        for seed in range(1, options.seeds + 1):
            found["chimera"].append(run_ours(ours(seed), domain, generations))
            found["pyribs"].append(run_theirs(theirs(seed), domain, generations))
        print(f"\n{name}, {options.function}, {options.genes} genes, {options.seeds} seeds")
        for who, runs in found.items():
            seconds, scores, coverage = np.array(runs).T
            print(
                f"  {who:8} {seconds.min() * 1e6:8.2f} us an evaluation   QD score "
                f"{scores.mean():9.0f} +- {scores.std():6.0f}   coverage {coverage.mean():.3f}"
            )
        figures[name] = found
    timing.write(options.json, figures)


if __name__ == "__main__":
    main()
