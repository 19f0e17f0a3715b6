"""Fronts of NSGA-II beside pymoo's: hypervolume and IGD over seeds at an equal budget.

ZDT1-4, ZDT6 and DTLZ2 (three objectives), population 100, 250 generations, the same operators
(SBX .9 / 15, polynomial 1/n / 20). Problems and reference fronts are pymoo's. A row is `within`
when our median is not worse than pymoo's worse quartile; `better` when it beats the better one.
"""

import numpy as np
import timing

options = timing.arguments(
    __doc__,
    seeds=(30, "seeds of each"),
    generations=(250, "generations of 100 rows"),
    problems=("zdt1,zdt2,zdt3,zdt4,zdt6,dtlz2", "which problems"),
)

import moocore  # noqa: E402
from pymoo.algorithms.moo.nsga2 import NSGA2 as PymooNSGA2  # noqa: E402, N811
from pymoo.optimize import minimize  # noqa: E402
from pymoo.problems import get_problem  # noqa: E402
from pymoo.util.ref_dirs import get_reference_directions  # noqa: E402

from chimera.evolution import NSGA2  # noqa: E402


def ours(problem, seed):
    bounds = np.column_stack([problem.xl, problem.xu])
    search = NSGA2(
        [tuple(pair) for pair in bounds], n_objectives=problem.n_obj, population_size=100, seed=seed
    )
    for _ in range(options.generations):
        batch = search.ask()
        search.tell(batch, problem.evaluate(batch, return_values_of=["F"]))
    return search.front.objectives


def theirs(problem, seed):
    found = minimize(
        problem, PymooNSGA2(pop_size=100), ("n_gen", options.generations), seed=seed, verbose=False
    )
    return found.F


def quartiles(values):
    return np.percentile(values, [25, 50, 75])


def main():
    figures = {"versions": timing.versions("pymoo", "moocore"), "seeds": options.seeds}
    titles = ("chimera q1", "median", "q3", "pymoo q1", "median", "q3")
    print(f"{'':16}" + "".join(f"{title:>11}" for title in titles))
    for name in options.problems.split(","):
        problem = get_problem(name)
        if name == "dtlz2":
            front = problem.pareto_front(get_reference_directions("das-dennis", 3, n_partitions=30))
        else:
            front = problem.pareto_front()
        reference = np.full(problem.n_obj, 1.1)
        results = {
            who: [call(problem, seed) for seed in range(options.seeds)]
            for who, call in (("chimera", ours), ("pymoo", theirs))
        }
        for indicator, measure, sign in (
            ("hv", lambda rows, r=reference: moocore.hypervolume(rows, ref=r), -1.0),
            ("igd", lambda rows, f=front: moocore.igd(rows, ref=f), 1.0),
        ):
            values = {
                who: quartiles([measure(rows) for rows in sets]) for who, sets in results.items()
            }
            mine = sign * values["chimera"][1]
            worse, better = sorted((sign * values["pymoo"][0], sign * values["pymoo"][2]))[::-1]
            verdict = "better" if mine < better else "within" if mine <= worse else "WORSE"
            numbers = "".join(f"{value:11.4f}" for who in values for value in values[who])
            print(f"{name:8}{indicator:8}{numbers}  {verdict}", flush=True)
            figures[f"{name} {indicator}"] = {who: list(found) for who, found in values.items()}
            figures[f"{name} {indicator}"]["verdict"] = verdict
    timing.write(options.json, figures)


main()
