"""Running the command line as a user does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "chimera.cli")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start the command line."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def improve(task: Path, *arguments: str | Path) -> dict[str, Any]:
    """Improve a task and return the JSON object; the run must succeed."""
    done = run("improve", task, "--json", "--quiet", *arguments)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts
