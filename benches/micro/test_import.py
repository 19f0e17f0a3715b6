"""Import time of the package in a fresh interpreter: 20 rounds, the empty interpreter beside it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("statement", ["pass", "import chimera"])
def test_import(benchmark, statement):
    command = [sys.executable, "-c", statement]
    benchmark.pedantic(subprocess.run, args=(command,), kwargs={"check": True}, rounds=20)
