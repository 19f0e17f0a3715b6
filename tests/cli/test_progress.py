import io
import math

import pytest

from chimera.cli.progress import make_display, number
from chimera.config import Budget
from chimera.improve.result import Phase, Progress


def progress(phase: Phase, generation: int = 0, *, is_improved: bool = False) -> Progress:
    return Progress(
        run="r1", phase=phase, generation=generation, evaluations=10 * generation, seconds=0.5,
        fraction=0.25, baseline=1.0, best=0.5, gain_percent=50.0, operator="point",
        is_improved=is_improved,
    )  # fmt: skip


def test_plain_lines_go_to_stderr_once_per_phase(capsys: pytest.CaptureFixture[str]) -> None:
    with make_display("line", Budget(seconds=60.0), is_quiet=False) as display:
        display.update(progress("prepare"))
        for generation in range(1, 50):
            display.update(progress("search", generation))
        display.update(progress("done", 50))
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 3
    assert lines[1] == (
        "[r1] searching:  25 %, generation 1, 10 evaluations, best 0.5 (+50.00 %), 0.5 s"
    )


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with make_display("line", Budget(seconds=60.0), is_quiet=True) as display:
        display.update(progress("search", 1))
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_gets_the_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with make_display("line", Budget(evaluations=500), is_quiet=False) as display:
        for generation in range(1, 4):
            display.update(progress("search", generation, is_improved=True))
    text = terminal.getvalue()
    for part in ("line", "25 % of 500 evaluations", "+50.00 %", "point", "evaluations"):
        assert part in text


def test_missing_numbers_read_as_a_dash() -> None:
    assert [number(None), number(math.nan), number(0.25)] == ["-", "-", "0.25"]
