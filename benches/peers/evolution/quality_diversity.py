"""QD score of MAP-Elites, CMA-ME and CMA-MAE beside pyribs, at equal evaluations.

The linear projection domain of Fontaine et al., 2020, on the sphere and on Rastrigin's function, in
100 x 100 cells. Emitters of both sides have the same number, size and first step size. 20 genes are
bounded; 100 are free, as in the paper: pyribs samples again until a row lies within the bounds,
which takes minutes with that many.
"""

import timing  # isort: skip -- before NumPy
import numpy as np
from map_elites import Projection, contests, run_ours, run_theirs

BATCH = 180


def main():
    options = timing.arguments(
        __doc__,
        evaluations=(100_000, "evaluations of a run"),
        seeds=(3, "runs of each contender"),
        genes=(0, "only this number of genes"),
        bounded=(0, "with --genes: bound them"),
    )
    settings = [(20, True), (100, False)]
    if options.genes:
        settings = [(options.genes, bool(options.bounded))]
    figures = {"versions": timing.versions("ribs")}
    print(f"{'':44}{'QD score':>22}{'coverage':>10}")
    for n_genes, is_bounded in settings:
        for function in ("sphere", "rastrigin"):
            domain = Projection(function, n_genes)
            domain_name = f"{function}, {n_genes} {'bounded' if is_bounded else 'free'} genes"
            pairs = contests(domain, BATCH, is_bounded=is_bounded)
            for name, (ours, theirs) in pairs.items():
                contenders = (("chimera", ours, run_ours), ("pyribs", theirs, run_theirs))
                for who, make, run in contenders:
                    generations = max(1, options.evaluations // BATCH)
                    runs = [
                        run(make(seed), domain, generations)[1:]
                        for seed in range(1, options.seeds + 1)
                    ]
                    scores, coverage = np.array(runs).T
                    figures[f"{domain_name}, {name}, {who}"] = runs
                    print(
                        f"{domain_name:30}{name:12}{who:10}{scores.mean():11.0f} "
                        f"+- {scores.std():6.0f}{coverage.mean():8.3f}",
                        flush=True,
                    )
    timing.write(options.json, figures)


if __name__ == "__main__":
    main()
