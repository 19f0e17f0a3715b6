"""Objectives that go wrong, and what tests of evaluation look at."""

import math
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from chimera.evolution import Evaluator

ROWS = np.arange(12.0)[:, None]


def square(x: Any) -> float:
    return float(x[0] ** 2)


def faulty(x: Any) -> float:
    kind = int(x[0])
    if kind == 1:
        os._exit(3)
    if kind == 2:
        time.sleep(60)
    if kind == 3:
        raise ValueError("three is\nbad")
    if kind == 4:
        return math.nan
    if kind == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == 6:
        sys.exit("six")
    return float(kind)


def check_counts(evaluator: Evaluator) -> None:
    counts = evaluator.counts
    assert counts.n_evaluations == counts.n_rows + counts.n_retries


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for_the_end_of(pids: Iterable[int]) -> None:
    """Return when none of some processes is left; fail after 10 s."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            ended, _, _ = select.select([descriptor], [], [], 10.0)
        finally:
            os.close(descriptor)
        assert ended, f"process {pid} lives on"
