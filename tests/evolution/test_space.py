"""How spaces are written, and what is too unclear to search."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import RandomSearch, category, minimize, real

LOW, HIGH = [-5.0, 0.0], [5.0, 1.0]


@pytest.mark.parametrize(
    "bounds",
    [
        (np.array([-5.0, -5.0]), np.array([5.0, 5.0])),
        (np.array(LOW), np.array(HIGH)),
        (LOW, HIGH),
        ([-5.0, 5.0], [0.0, 1.0]),
        (LOW, tuple(HIGH)),
        # In any writing, pairs that leave no gene free are arrays of bounds.
        [(-5.0, -5.0), (5.0, 5.0)],
        ((-5.0, -5.0), (5.0, 5.0)),
        np.array([[-5.0, -5.0], [5.0, 5.0]]),
        [np.array([-5.0, -5.0]), np.array([5.0, 5.0])],
    ],
    ids=str,
)
def test_two_by_two_numbers_that_may_mean_either_are_refused(bounds: Any) -> None:
    with pytest.raises(ConfigError, match=r"write \[.*\] for one pair a gene.*real\(lower, upper"):
        minimize(lambda x: float((x**2).sum()), bounds, budget=20)


@pytest.mark.parametrize(
    "bounds",
    [
        [(-5.0, 5.0), (0.0, 1.0)],
        ((-5.0, 5.0), (0.0, 1.0)),
        [[-5, 5], [0, 1]],
        np.array([[-5.0, 5.0], [0.0, 1.0]]),
        real(LOW, HIGH),
    ],
    ids=str,
)
def test_two_genes_are_written_as_pairs_or_by_name(bounds: Any) -> None:
    block = RandomSearch(bounds).space.blocks[0]
    assert (list(block.lower), list(block.upper)) == (LOW, HIGH)


def test_two_arrays_of_another_length_are_bounds() -> None:
    for n in (1, 3):
        search = RandomSearch((np.full(n, -5.0), np.full(n, 5.0)))
        assert search.space.n_genes == n
        assert search.space.blocks[0].upper == (5.0,) * n


def test_one_gene_that_stays_put_is_no_question() -> None:
    assert RandomSearch([(1.0, 1.0), (0.0, 5.0)]).ask(3)[:, 0].tolist() == [1.0] * 3


def test_lists_of_lists_are_bounds_to_type_checkers_too() -> None:
    bounds: list[list[int]] = [[-5, 5]] * 3
    assert RandomSearch(bounds).space.n_genes == 3  # mypy reads this file as well


@pytest.mark.parametrize("labels", [["adam", "sgd"], ("adam", "sgd"), np.array(["adam", "sgd"])])
def test_labels_are_answered_with_what_to_write(labels: Any) -> None:
    with pytest.raises(ConfigError, match=r"expected the number .*category\(2\).*labels\[row"):
        category(labels)
