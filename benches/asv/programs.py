"""Costs of a program's life over the history of the project."""

import subprocess
import sys

from chimera._chimera import execution, programs

SOURCE = """
def step(x: float) -> float:
    return 0.5 * (x + 2.0 / x)


def root(n: int) -> float:
    x = 1.0
    for _ in range(n):
        x = step(x)
    return x
"""


def _parse():
    return programs.Program.parse(SOURCE, roots=["root"], evolvable=["step"])


class Life:
    """Parse, print, run."""

    def setup(self):
        self.program = _parse()
        self.engine = execution.Engine(threads=1)
        self.engine.call(self.program, "root", (1,))

    def time_parse(self):
        _parse()

    def time_print(self):
        self.program.source()

    def time_call(self):
        self.engine.call(self.program, "root", (10_000,))


class Import:
    """A fresh interpreter that imports the package."""

    timeout = 120

    def time_import(self):
        subprocess.run([sys.executable, "-c", "import chimera"], check=True)

    def peakmem_import(self):
        __import__("chimera")
