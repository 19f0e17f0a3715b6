"""Distances on the CPU path, refusals, and agreement of the GPU path where there is a device."""

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chimera import gpu
from chimera.errors import ChimeraError, MissingExtraError


def _batches(n: int, m: int, d: int, dtype: str) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(m, d)).astype(dtype)


def _relative_tolerance(d: int, dtype: str) -> float:
    return 4 * d * float(np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (3, 5, 2), (17, 4, 9)])
def test_squared_distances_equal_the_definition(n: int, m: int, d: int, dtype: str) -> None:
    queries, references = _batches(n, m, d, dtype)
    result = gpu.squared_distances(queries, references, backend="cpu")
    exact = ((queries[:, None].astype(float) - references[None].astype(float)) ** 2).sum(axis=2)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, exact, rtol=_relative_tolerance(d, dtype))


def test_squared_distances_accept_non_contiguous_views() -> None:
    base = np.arange(24.0).reshape(4, 6)
    view = base[::2, ::3]
    expected = gpu.squared_distances(view.copy(), view.copy(), backend="cpu")
    np.testing.assert_array_equal(gpu.squared_distances(view, view, backend="cpu"), expected)


def test_squared_distances_of_empty_batches_are_empty() -> None:
    empty = np.empty((0, 3))
    assert gpu.squared_distances(empty, np.ones((2, 3)), backend="cpu").shape == (0, 2)


def test_squared_distances_pass_nan_on() -> None:
    queries = np.array([[np.nan, 0.0], [1.0, 0.0]])
    result = gpu.squared_distances(queries, np.zeros((1, 2)), backend="cpu")
    assert np.isnan(result[0, 0])
    assert result[1, 0] == 1.0


@pytest.mark.parametrize(
    ("queries", "references", "message"),
    [
        (np.ones(3), np.ones((2, 3)), r"expected queries \(n, d\)"),
        (np.ones((2, 2)), np.ones((2, 3)), "equal descriptor lengths"),
        (np.ones((2, 0)), np.ones((2, 0)), "at least 1"),
        (np.ones((2, 3), dtype=np.int64), np.ones((2, 3), dtype=np.int64), "float32 or float64"),
        (np.ones((2, 3), dtype=np.float32), np.ones((2, 3)), "float32 or float64"),
    ],
)
def test_squared_distances_refuse_what_does_not_fit(
    queries: Any, references: Any, message: str
) -> None:
    with pytest.raises(gpu.BatchError, match=message) as caught:
        gpu.squared_distances(queries, references, backend="cpu")
    assert isinstance(caught.value, (ChimeraError, ValueError))


def test_squared_distances_limit_the_result() -> None:
    batch = np.ones((4, 2))
    at_the_limit = gpu.squared_distances(batch, batch, backend="cpu", result_bytes_max=128)
    assert at_the_limit.nbytes == 128
    with pytest.raises(gpu.BatchError, match="at most 127 bytes, got 128"):
        gpu.squared_distances(batch, batch, backend="cpu", result_bytes_max=127)


def test_missing_cupy_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # what the import system does for a ban
    with pytest.raises(MissingExtraError, match=r"\[gpu\]"):
        gpu.choose("cuda")
    assert gpu.choose("auto") == "cpu"
    assert not gpu.is_available()


def test_unknown_backend_is_refused() -> None:
    wish: Any = "tpu"
    with pytest.raises(ValueError, match="expected 'auto', 'cpu' or 'cuda', got 'tpu'"):
        gpu.choose(wish)


def test_unknown_kernel_is_refused() -> None:
    with pytest.raises(LookupError, match="population"):
        gpu.kernel_source("nothing")


@pytest.mark.gpu
@pytest.mark.timeout(120)  # the first launch compiles
@pytest.mark.skipif(not gpu.is_available(), reason="no CUDA device, or CuPy is not installed")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (1000, 333, 4), (257, 5000, 32)])
def test_gpu_equals_cpu_within_tolerance(n: int, m: int, d: int, dtype: str) -> None:
    queries, references = _batches(n, m, d, dtype)
    on_gpu = gpu.squared_distances(queries, references, backend="cuda")
    on_cpu = gpu.squared_distances(queries, references, backend="cpu")
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=_relative_tolerance(d, dtype))
