import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera.errors import WorkloadError
from chimera.improve.instances import InstanceSet, check_unseen, coerce, derive_seeds, draw

PARAMETERS: dict[str, Any] = {"items": list[int], "capacity": int}


def test_seeds_are_distinct_and_disjoint() -> None:
    train, holdout = (derive_seeds(5, stream, 4_096) for stream in ("train", "holdout"))
    assert len(set(train) | set(holdout)) == 8_192
    assert max(train + holdout) < 2**31


@given(st.integers(0, 2**63 - 1))
def test_seeds_never_meet_across_streams(seed: int) -> None:
    assert all(number % 2 == 0 for number in derive_seeds(seed, "train", 8))
    assert all(number % 2 == 1 for number in derive_seeds(seed, "holdout", 8))


def test_seeds_are_stable() -> None:
    assert derive_seeds(1, "train", 3) == derive_seeds(1, "train", 9)[:3]
    assert derive_seeds(1, "train", 3) != derive_seeds(2, "train", 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: ([seed, 2], 7),
        lambda seed: {"capacity": 7, "items": [seed, 2]},
        lambda seed: (np.array([seed, 2]), np.int64(7)),
        lambda seed: ([np.int32(seed), 2], 7),
        lambda seed: ((seed, 2), 7),
    ],
)
def test_every_accepted_form_gives_the_same_instance(make: Any) -> None:
    drawn = draw(make, PARAMETERS, [4, 6], timeout_s=5.0)
    assert drawn.arguments == (([4, 2], 7), ([6, 2], 7))
    assert all(type(item) is int for item in drawn.arguments[0][0])
    assert drawn.digest == draw(lambda s: ([s, 2], 7), PARAMETERS, [4, 6], timeout_s=5.0).digest


def raising(seed: int) -> Any:
    raise RuntimeError(f"no data for {seed}")


def endless(_seed: int) -> Any:
    while True:
        pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "got None; add a return statement"),
        (raising, "got RuntimeError: no data for 4"),
        (lambda seed: [seed], "got list; write: return"),
        (lambda seed: ([seed],), r"to return 2 values \(items, capacity\), got 1"),
        (lambda seed: {"items": [seed]}, "a dict with the keys"),
        (lambda seed: ([seed], "7"), "argument capacity to be int, got str '7'"),
        (lambda seed: ([seed], 7.0), "argument capacity to be int, got float"),
        (lambda seed: ([seed, 1.5], 7), r"argument items\[1\] to be int, got float 1.5"),
        (lambda seed: (seed, 7), "argument items to be list"),
        (lambda seed: ([seed], True), "argument capacity to be int, got bool"),
        (lambda seed: ([seed], 2**63), "to fit in 64 bits"),
        (lambda _: ([1], 7), "another instance for another seed"),
    ],
)
def test_bad_workload_is_refused(make: Any, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        draw(make, PARAMETERS, [4, 6], timeout_s=5.0)


def test_endless_workload_is_stopped() -> None:
    with pytest.raises(WorkloadError, match="endless loop"):
        draw(endless, PARAMETERS, [4], timeout_s=0.2)


def test_ints_become_floats_only_when_exact() -> None:
    assert type(coerce(3, float, "x")) is float
    with pytest.raises(WorkloadError):
        coerce(2**53 + 1, float, "x")
    with pytest.raises(WorkloadError):
        coerce(True, float, "x")  # noqa: FBT003


def test_matrices_are_converted() -> None:
    value = coerce(np.array([[1.0, 2.0], [3.0, math.inf]]), list[list[float]], "m")
    assert value == [[1.0, 2.0], [3.0, math.inf]]
    with pytest.raises(WorkloadError, match=r"m\[1\] to be list"):
        coerce([[1.0], 2.0], list[list[float]], "m")


def test_copies_are_independent() -> None:
    drawn = draw(lambda seed: ([seed], 7), PARAMETERS, [4, 6], timeout_s=5.0)
    drawn.copy_of(0)[0].append(1)
    assert drawn.arguments[0][0] == [4]
    assert len(drawn) == len(list(itertools.chain(drawn.seeds)))


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(3), "got SystemExit: 3; call it"),
        (GeneratorExit(), "got GeneratorExit; call it"),
        (Mute(), "got Mute: .*__str__ raises ValueError"),
    ],
)
def test_whatever_a_workload_raises_is_a_workload_error(error: BaseException, message: str) -> None:
    def workload(_seed: int) -> object:
        raise error

    with pytest.raises(WorkloadError, match=message):
        draw(workload, PARAMETERS, [0, 2], timeout_s=5.0)


def test_an_interrupted_workload_stays_an_interrupt() -> None:
    def workload(_seed: int) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(workload, PARAMETERS, [0, 2], timeout_s=5.0)


def test_a_workload_that_does_not_repeat_itself_is_refused() -> None:
    calls = itertools.count()
    with pytest.raises(WorkloadError, match="derive everything from the seed"):
        draw(lambda _: ([next(calls)], 7), PARAMETERS, [0, 2], timeout_s=5.0)


def _drawn(values: list[int]) -> InstanceSet:
    return draw(
        lambda seed: (values[seed],),
        {"x": int},
        range(len(values)),
        timeout_s=5.0,
    )


def test_unseen_instances_must_differ_from_each_other() -> None:
    with pytest.raises(WorkloadError, match="expected 4 different unseen instances, got 2"):
        check_unseen(_drawn([1, 2, 3]), _drawn([7, 8, 7, 8]))


def test_unseen_instances_must_not_be_training_instances() -> None:
    with pytest.raises(WorkloadError, match="got 1 that it does"):
        check_unseen(_drawn([1, 2, 3]), _drawn([3, 4, 5]))
