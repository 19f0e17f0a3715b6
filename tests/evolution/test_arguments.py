"""Arguments that no search can work with: each is refused by name, before anything is evaluated."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest

from chimera.errors import CapacityError, ConfigError
from chimera.evolution import (
    CMAMAE,
    CMAME,
    DE,
    MOEAD,
    NSGA2,
    NSGA3,
    SMSEMOA,
    Budget,
    Grid,
    HypervolumeConvergence,
    Islands,
    MapElites,
    RandomSearch,
    Stagnation,
    Target,
    Tolerance,
    boolean,
    category,
    integer,
    minimize,
    mixed,
    optimize,
    permutation,
    real,
)
from chimera.evolution import _space as spaces
from chimera.evolution._numbers import COUNT_LIMIT, to_number, to_whole

BOX = [(-1.0, 1.0)] * 3
CELLS = Grid((5, 5), [(-1.0, 1.0)] * 2)
MASKED = np.ma.masked_array([0.1, 0.2, 0.3], mask=[True, False, False])


def sphere(x: Any) -> float:
    return float((x**2).sum())


def unused(_: Any) -> Any:
    raise AssertionError("expected a refusal before any evaluation")


@pytest.mark.parametrize("value", [100, 1e2, np.int64(100), np.float64(100.0), np.float32(100.0)])
def test_counts_may_be_written_as_whole_floats(value: Any) -> None:
    assert minimize(sphere, BOX, budget=value, workers=cast("int", 1.0)).n_evaluations == 100
    loop = optimize(RandomSearch(BOX, batch_size=30), lambda x: x[:, 0], budget=value).run()
    assert loop.algorithm.n_evaluations == 100
    assert Budget(value).evaluations == 100
    assert isinstance(Budget(value).evaluations, int)
    assert Stagnation(value).evaluations == 100


@pytest.mark.parametrize("value", [2.5, 0, -1, "100", float("nan"), float("inf"), 1j, [1], 2**70])
@pytest.mark.parametrize("name", ["budget", "n_objectives", "workers"])
def test_other_counts_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: expected an integer"):
        minimize(unused, BOX, **{name: value})
    with pytest.raises(ConfigError, match="budget: expected an integer"):
        optimize(RandomSearch(BOX), unused, budget=value)


def test_counts_have_a_limit() -> None:
    assert to_whole("n", COUNT_LIMIT - 1) == COUNT_LIMIT - 1
    with pytest.raises(ConfigError, match=r"n: expected an integer in \[1, 9223372036854775808\)"):
        to_whole("n", COUNT_LIMIT)
    assert minimize(sphere, BOX, budget=COUNT_LIMIT - 1, target=0.5).stop_reason == "target"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seconds": "a"}, "seconds: expected a number, got 'a'"),
        ({"seconds": 0}, "seconds: expected more than 0"),
        ({"target": "0.5"}, "target: expected a number, got '0.5'"),
        ({"target": 1j}, "target: expected a number"),
        ({"options": 3}, "options: expected a dictionary of settings by name, got 3"),
        ({"options": [("a", 1)]}, "options: expected a dictionary"),
        ({"options": {3: 1}}, "options: expected a dictionary"),
        ({"callback": 3}, "callback: expected a function of a step, got int"),
        ({"constraints": 3}, "constraints: expected a function of a row or several, got int"),
        ({"constraints": "abc"}, "constraints: expected a function"),
        ({"constraints": [3]}, "constraints: expected callables, got int"),
        ({"termination": [Budget(9)]}, r"termination: .* got list; join several with \|"),
        ({"x0": MASKED}, "x0: expected values that are all visible, got masked ones"),
        ({"x0": np.array([1j, 0.0, 0.0])}, "x0: expected numbers, got values of dtype complex128"),
        ({"x0": ["0.1"] * 3}, "x0: expected numbers"),
        ({"x0": [10**400, 0, 0]}, "x0: expected numbers"),
    ],
)
def test_minimize_names_the_argument(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        minimize(unused, BOX, **{"budget": 30, **settings})


@pytest.mark.parametrize("termination", [[Budget(100)], (Budget(100),), 3, "a"])
def test_a_loop_refuses_what_cannot_stop_it_before_it_begins(termination: Any) -> None:
    search = RandomSearch(BOX)
    with pytest.raises(ConfigError, match="termination: expected a criterion or a function"):
        optimize(search, unused, termination=termination)
    with pytest.raises(ConfigError, match="callback: expected a function of a step"):
        optimize(search, unused, callback=termination)
    assert search.generation == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda value: Budget(seconds=value),
        Target,
        lambda value: Stagnation(5, improvement=value),
        lambda value: Tolerance(x=value),
        lambda value: Tolerance(score=value),
        lambda value: HypervolumeConvergence([1.0, 1.0], tolerance=value),
        lambda value: HypervolumeConvergence([1.0, value]),
        lambda value: HypervolumeConvergence(cast("Any", value), n_steps=5),
    ],
)
@pytest.mark.parametrize("value", ["1", 1j, [[1], 2], float("nan"), np.ma.masked, object()])
def test_criteria_take_nothing_but_numbers(make: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(ConfigError, match="expected"):
        make(value)


@pytest.mark.parametrize("value", ["1", 1j, 0, 2.5, float("nan"), None, [1]])
def test_criteria_count_in_whole_numbers(value: Any) -> None:
    with pytest.raises(ConfigError, match="evaluations: expected an integer in"):
        Stagnation(value)
    with pytest.raises(ConfigError, match="n_steps: expected an integer in"):
        HypervolumeConvergence([1.0, 1.0], n_steps=value)
    if value is not None:
        with pytest.raises(ConfigError, match="evaluations: expected an integer in"):
            Budget(value, seconds=1.0)


def test_growth_is_measured_over_a_limited_number_of_steps() -> None:
    assert np.isnan(HypervolumeConvergence([1.0, 1.0], n_steps=1_000_000).volume)
    with pytest.raises(ConfigError, match="n_steps: expected an integer"):
        HypervolumeConvergence([1.0, 1.0], n_steps=1_000_001)


def test_numbers_of_any_kind_are_numbers() -> None:
    values = [2, 2.0, np.float32(2.0), np.array(2), Fraction(2), True + 1]
    assert [to_number("x", value) for value in values] == [2.0] * 6
    for value in (None, "2", b"2", 2j, [2.0], np.datetime64("2001"), 10**400):
        with pytest.raises(ConfigError, match="x: expected a number, got"):
            to_number("x", value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSearch([(-(10**400), 10**400)]), "bounds: expected a Space"),
        (lambda: real(-(10**400), 0.0), "bounds: expected numbers"),
        (lambda: real(0.0, 1.0, 2, dtype="foo"), "dtype: expected float64 or float32, got 'foo'"),
        (lambda: real(0.0, 1.0, cast("int", "a")), "n_genes: expected an integer"),
        (lambda: real([0.0, 0.0], 1.0, 3), r"shapes \(2,\) and \(1,\) for 3 genes"),
        (lambda: real([], 1.0), "one bound per gene"),
        (lambda: integer([0, 0], [1, 1, 1]), r"shapes \(2,\) and \(3,\)"),
        (lambda: boolean(cast("int", None)), "n_genes: expected an integer"),
        (lambda: permutation(cast("int", "a")), "n_genes: expected an integer"),
        (lambda: mixed(cast("Any", 3)), "mixed: expected spaces by name, got 3"),
        (lambda: mixed(cast("Any", {3: boolean(2)})), "mixed: expected spaces by name"),
        (lambda: category(cast("Any", "3")), r"category\(1\) and take labels"),
        (lambda: category(cast("Any", ["2", "3"])), r"category\(2\) and take labels"),
        (lambda: category(np.array([3 + 1j])), "category: expected numbers"),
        (lambda: category(MASKED), "category: expected values that are all visible"),
        (lambda: category(2.5), "category: expected whole numbers of at least 1"),
        (lambda: category(float("nan")), "category: expected whole numbers of at least 1"),
        (lambda: category(cast("Any", np.array("a"))), r"category\(1\) and take labels"),
        (lambda: category(cast("Any", [["a"]])), "category: expected numbers"),
        (lambda: category(0), "category: expected whole numbers of at least 1"),
        (lambda: category(10**400), "category: expected numbers"),
    ],
)
def test_spaces_name_what_is_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("make", [lambda n: real(0.0, 1.0, n), boolean, permutation])
def test_spaces_have_a_limit_of_genes(
    make: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CapacityError, match="n_genes: expected at most 67108864 genes"):
        make(10**13)
    monkeypatch.setattr(spaces, "GENES_MAX", 20)
    assert make(20).n_genes == 20
    assert mixed(a=make(10), b=make(10)).n_genes == 20
    for refused in (lambda: make(21), lambda: mixed(a=make(10), b=make(11))):
        with pytest.raises(CapacityError, match="expected at most 20 genes, got 21"):
            refused()


@pytest.mark.parametrize("direction", [3, None, {"a": 1}, {"minimize", "maximize"}, "max", [3, 3]])
@pytest.mark.parametrize("kind", [NSGA2, NSGA3, SMSEMOA, MOEAD, DE, MapElites, CMAME, CMAMAE])
def test_directions_are_words(kind: Any, direction: Any) -> None:
    settings: dict[str, Any] = {"cells": CELLS} if kind in {MapElites, CMAME, CMAMAE} else {}
    settings |= {"threshold_min": -1.0} if kind is CMAMAE else {}
    with pytest.raises(ConfigError, match="direction: expected minimize or maximize"):
        kind(BOX, direction=direction, **settings)


@pytest.mark.parametrize("kind", [MapElites, CMAME])
def test_a_list_of_one_direction_is_that_direction(kind: Any) -> None:
    figures = []
    for direction in ("maximize", ["maximize"], np.array(["maximize"])):
        search = kind(BOX, cells=CELLS, qd_offset=-5.0, direction=direction)
        batch = search.ask()
        search.tell(batch, batch[:, 2], descriptors=batch[:, :2])
        figures.append(search.figures["qd_score"])
    assert figures == [figures[0]] * 3
    with pytest.raises(ConfigError, match="direction: expected 1"):
        kind(BOX, cells=CELLS, direction=np.array(["maximize", "minimize"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *[
            ({"topology": topology}, "topology: expected")
            for topology in (None, 3, [1, 2], {"a": 1}, [("a", "b")], [(0, 1, 2)], [(0.5, 1)], "x")
        ],
        ({"n_islands": []}, "n_islands: expected an integer"),
        ({"n_islands": "a"}, "n_islands: expected an integer"),
        ({"n_islands": None}, "n_islands: expected at least 1"),
        ({"n_islands": 0}, "n_islands: expected an integer"),
        ({"n_islands": 2.5}, "n_islands: expected an integer"),
        ({"n_islands": 4_097}, r"n_islands: expected"),
        *[({"make": make}, "make: expected searches") for make in (3, None, [3], "ab")],
    ],
)
def test_islands_name_what_is_wrong(settings: dict[str, Any], message: str) -> None:
    def make(idx: int) -> DE:
        return DE(BOX, population_size=10, seed=idx)

    given = {"make": make, "n_islands": 2, **settings}
    if "make" in settings:
        given["n_islands"] = None
    with pytest.raises(ConfigError, match=message):
        Islands(given.pop("make"), **given)
    if "n_islands" in settings and settings["n_islands"] is not None:
        with pytest.raises(ConfigError, match=message):
            Islands([make(0), make(1)], **settings)
