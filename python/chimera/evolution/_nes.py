"""Evolution strategies for very many genes, and by natural gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import optional_row
from chimera.evolution._space import Bounds
from chimera.evolution._types import Direction

Sigma = float | Sequence[float] | NDArray[np.float64]


class LMMAES(Algorithm, method="lm_ma_es"):
    """Limited-memory matrix adaptation: for a thousand to many thousand genes.

    The covariance is a product of ``4 + floor(3 ln n)`` directions learned at different paces.

    Args:
        space: Real genes: bounds, where infinite ones are allowed.
        x0: Where to begin ``(n_genes,)``; by default the middle of the bounds.
        sigma: First standard deviation, one or ``(n_genes,)``; by default 0.3 of the width between
            the bounds.
        population_size: Rows of a generation, at most 1 000 000; by default
            ``4 + floor(3 ln n)``.
        tol_sigma: Stop when the step size is below this part of the first.
        tol_fun_hist: Stop when the best scores of 50 generations range over less.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range, or the space is not real.

    Complexity:
        ``n log n`` per row and of memory.

    Source:
        Loshchilov, Glasmachers & Beyer, "Large Scale Black-Box Optimization by Limited-Memory
        Matrix Adaptation" (2019), algorithm 2.

    Example:
        >>> search = LMMAES([(-5.0, 4.0)] * 1000, sigma=0.1, seed=1)
        >>> for _ in range(200):
        ...     batch = search.ask()
        ...     search.tell(batch, (batch**2).sum(axis=1))
        >>> batch.shape, bool(search.best_score < 100)
        ((24, 1000), True)
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        x0: ArrayLike | None = None,
        sigma: Sigma | None = None,
        population_size: int | None = None,
        tol_sigma: float = 1e-12,
        tol_fun_hist: float = 1e-12,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "x0": optional_row("x0", x0),
            "sigma": sigma,
            "population_size": population_size,
            "tol_sigma": tol_sigma,
            "tol_fun_hist": tol_fun_hist,
        }
        return cls._start(
            "lm_ma_es", space, settings, seed=seed, threads=threads, direction=direction
        )


class XNES(Algorithm, method="xnes"):
    """Exponential natural evolution strategy: the natural gradient of the expected rank.

    Args:
        space: Real genes: bounds, where infinite ones are allowed.
        x0: Where to begin ``(n_genes,)``; by default the middle of the bounds.
        sigma: First standard deviation, one or ``(n_genes,)``; by default 0.3 of the width between
            the bounds.
        population_size: Rows of a generation, at most 1 000 000; by default
            ``4 + floor(3 ln n)``.
        tol_sigma: Stop when the step size is below this part of the first.
        tol_fun_hist: Stop when the best scores of 50 generations range over less.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range, or the space is not real.

    Complexity:
        ``n**2`` per row and ``n**2`` memory, and ``n**3`` per generation of as many rows.

    Source:
        Glasmachers, Schaul, Sun, Wierstra & Schmidhuber, "Exponential Natural Evolution
        Strategies" (2010), algorithm 1.

    Example:
        >>> search = XNES([(-5.0, 4.0)] * 5, seed=1)
        >>> for _ in range(600):
        ...     batch = search.ask()
        ...     search.tell(batch, (batch**2).sum(axis=1))
        >>> bool(search.best_score < 1e-6)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        x0: ArrayLike | None = None,
        sigma: Sigma | None = None,
        population_size: int | None = None,
        tol_sigma: float = 1e-12,
        tol_fun_hist: float = 1e-12,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "x0": optional_row("x0", x0),
            "sigma": sigma,
            "population_size": population_size,
            "tol_sigma": tol_sigma,
            "tol_fun_hist": tol_fun_hist,
        }
        return cls._start("xnes", space, settings, seed=seed, threads=threads, direction=direction)


class OpenAIES(Algorithm, method="openai_es"):
    """The evolution strategy of OpenAI: mirrored samples, centred ranks, Adam.

    The step size does not adapt. It is made for noisy objectives of very many genes, such as the
    weights of a controller; elsewhere the others need far fewer evaluations.

    Args:
        space: Real genes: bounds, where infinite ones are allowed.
        x0: Where to begin ``(n_genes,)``; by default the middle of the bounds.
        sigma: Standard deviation, one or ``(n_genes,)``; by default 0.3 of the width between the
            bounds.
        population_size: Rows of a generation, an even number, at most 1 000 000; by default 64.
        learning_rate: Step of Adam in units of the genes; by default 0.3 of ``sigma``.
        learning_rate_decay: Factor of the learning rate per generation.
        sigma_decay: Factor of ``sigma`` per generation.
        beta_1: Decay of Adam's average.
        beta_2: Decay of Adam's average of squares.
        weight_decay: Part by which the mean shrinks per generation.
        tol_sigma: Stop when the step size is below this part of the first.
        tol_fun_hist: Stop when the best scores of 50 generations range over less.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range, or the space is not real.

    Complexity:
        ``n`` per row.

    Source:
        Salimans, Ho, Chen, Sidor & Sutskever, "Evolution Strategies as a Scalable Alternative to
        Reinforcement Learning" (2017); Kingma & Ba, "Adam" (2015).

    Example:
        >>> search = OpenAIES([(-5.0, 4.0)] * 20, sigma=0.1, learning_rate=0.02, seed=1)
        >>> for _ in range(400):
        ...     batch = search.ask()
        ...     search.tell(batch, (batch**2).sum(axis=1))
        >>> bool(search.best_score < 0.2)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        x0: ArrayLike | None = None,
        sigma: Sigma | None = None,
        population_size: int | None = None,
        learning_rate: float | None = None,
        learning_rate_decay: float = 1.0,
        sigma_decay: float = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        weight_decay: float = 0.0,
        tol_sigma: float = 1e-12,
        tol_fun_hist: float = 1e-12,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "x0": optional_row("x0", x0),
            "sigma": sigma,
            "population_size": population_size,
            "learning_rate": learning_rate,
            "learning_rate_decay": learning_rate_decay,
            "sigma_decay": sigma_decay,
            "beta_1": beta_1,
            "beta_2": beta_2,
            "weight_decay": weight_decay,
            "tol_sigma": tol_sigma,
            "tol_fun_hist": tol_fun_hist,
        }
        return cls._start(
            "openai_es", space, settings, seed=seed, threads=threads, direction=direction
        )
