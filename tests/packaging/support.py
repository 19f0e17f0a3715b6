"""Running commands and reading distributions, for the packaging tests."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BUILD_TIMEOUT_S = 540
LINE_LIMIT = 40


def run(
    *command: str | Path,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = BUILD_TIMEOUT_S,
) -> str:
    """Run a command and return its output; on failure show the end of both streams."""
    child = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if child.returncode != 0:
        tail = "\n".join((child.stdout + child.stderr).splitlines()[-LINE_LIMIT:])
        pytest.fail(f"{' '.join(map(str, command))} left with {child.returncode}:\n{tail}")
    return child.stdout


def kernels_in(names: list[str]) -> list[str]:
    """The files below chimera/kernels in a wheel, relative to it."""
    prefix = "chimera/kernels/"
    return sorted(
        name.removeprefix(prefix)
        for name in names
        if name.startswith(prefix) and not name.endswith("/")
    )
