"""The genetic algorithm, generational and steady state, over any space."""

from __future__ import annotations

from typing import Literal, Self

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._space import Bounds
from chimera.evolution._types import Direction


class GA(Algorithm, method="ga"):
    """Selection, crossover, mutation and survival of the best.

    Works on every kind of space; a mixed space takes an operator per block. Constraints are
    handled by the feasibility rule, failed rows rank last. ``lineage`` names the parents and the
    operator of each row. The defaults are those of Deb and Agrawal for real genes.

    Args:
        space: A bounded space of any kind, or bounds.
        population_size: Rows of the population, at least 2.
        scheme: ``generational``, or ``steady_state``: rows may then be asked and told in any
            number, and each replaces one that is worse.
        replacement: Whom a steady-state row replaces: ``worst``, or the worst of a ``tournament``.
        n_elites: Best rows that survive a generation.
        selection: ``tournament``, ``roulette``, ``rank``, ``truncation``, ``lexicase`` or
            ``epsilon_lexicase``; the last two need ``cases=`` in ``tell``.
        tournament_size: Entrants of a tournament, drawn with replacement.
        selection_pressure: Expected children of the best row under ``rank``, in (1, 2].
        truncation_share: Share of rows that ``truncation`` leaves, in (0, 1].
        crossover_probability: Probability that a pair is crossed.
        gene_probability: Probability that SBX crosses, or ``uniform`` swaps, a gene.
        crossover: Of real genes: ``sbx`` (its law knows the bounds), ``sbx_unbounded`` (it does
            not, and children are clipped), ``blend``, ``arithmetic``, ``uniform``, ``n_point``,
            ``pcx`` or ``spx`` (the last two take three parents).
        crossover_eta: Distribution index of SBX; large keeps children near their parents.
        blend_alpha: How far ``blend`` reaches beyond the parents, in units of their distance.
        n_points: Cuts of ``n_point``, 1 to 16.
        mutation: Of real genes: ``polynomial``, ``gaussian`` or ``self_adaptive``.
        mutation_probability: Probability that a gene is mutated; 1 / number of genes when None.
        mutation_eta: Distribution index of ``polynomial``.
        mutation_sigma: Step of ``gaussian``, first step of ``self_adaptive``, in units of the
            gene's range, in (0, 1].
        repair: What becomes of real genes outside their bounds: ``clip``, ``reflect``, ``wrap`` or
            ``resample``; ``sbx`` and ``polynomial`` always clip.
        discrete_crossover: Of integers, categories and booleans: ``uniform`` or ``n_point``.
        integer_mutation: ``creep`` by small steps, or ``reset``; categories are always drawn anew,
            booleans flipped.
        creep_step: Mean step of ``creep``, at least 1.
        permutation_crossover: ``order``, ``pmx`` or ``edge``.
        permutation_mutation: ``invert``, ``swap`` or ``insert``.
        permutation_probability: Probability that a permutation is mutated.
        eliminate_duplicates: Draw one gene anew in each child that repeats a parent or another
            child.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range, or a real gene has an infinite bound.

    Source:
        Holland, 1975; De Jong, 1975; Deb and Agrawal, 1995; Deb, 2000 and 2001.

    Example:
        >>> search = GA([(-5.0, 5.0)] * 10, population_size=100, seed=1)
        >>> for _ in range(200):
        ...     batch = search.ask()
        ...     search.tell(batch, (batch**2).sum(axis=1))
        >>> bool(search.best_score < 0.01)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        population_size: int = 100,
        scheme: Literal["generational", "steady_state"] = "generational",
        replacement: Literal["worst", "tournament"] = "worst",
        n_elites: int = 1,
        selection: Literal[
            "tournament", "roulette", "rank", "truncation", "lexicase", "epsilon_lexicase"
        ] = "tournament",
        tournament_size: int = 3,
        selection_pressure: float = 1.5,
        truncation_share: float = 0.5,
        crossover_probability: float = 0.9,
        gene_probability: float = 0.5,
        crossover: Literal[
            "sbx", "sbx_unbounded", "blend", "arithmetic", "uniform", "n_point", "pcx", "spx"
        ] = "sbx",
        crossover_eta: float = 15.0,
        blend_alpha: float = 0.5,
        n_points: int = 2,
        mutation: Literal["polynomial", "gaussian", "self_adaptive"] = "polynomial",
        mutation_probability: float | None = None,
        mutation_eta: float = 20.0,
        mutation_sigma: float = 0.1,
        repair: Literal["clip", "reflect", "wrap", "resample"] = "clip",
        discrete_crossover: Literal["uniform", "n_point"] = "uniform",
        integer_mutation: Literal["creep", "reset"] = "creep",
        creep_step: float = 2.0,
        permutation_crossover: Literal["order", "pmx", "edge"] = "order",
        permutation_mutation: Literal["invert", "swap", "insert"] = "invert",
        permutation_probability: float = 0.3,
        eliminate_duplicates: bool = False,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "population_size": population_size,
            "scheme": scheme,
            "replacement": replacement,
            "n_elites": n_elites,
            "selection": selection,
            "tournament_size": tournament_size,
            "selection_pressure": selection_pressure,
            "truncation_share": truncation_share,
            "crossover_probability": crossover_probability,
            "gene_probability": gene_probability,
            "crossover": crossover,
            "crossover_eta": crossover_eta,
            "blend_alpha": blend_alpha,
            "n_points": n_points,
            "mutation": mutation,
            "mutation_probability": mutation_probability,
            "mutation_eta": mutation_eta,
            "mutation_sigma": mutation_sigma,
            "repair": repair,
            "discrete_crossover": discrete_crossover,
            "integer_mutation": integer_mutation,
            "creep_step": creep_step,
            "permutation_crossover": permutation_crossover,
            "permutation_mutation": permutation_mutation,
            "permutation_probability": permutation_probability,
            "eliminate_duplicates": eliminate_duplicates,
        }
        return cls._start("ga", space, settings, seed=seed, threads=threads, direction=direction)
