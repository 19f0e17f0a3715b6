"""Progress on standard error: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from chimera.cli.streams import complain
from chimera.config import Budget

if TYPE_CHECKING:
    from rich.console import RenderableType

    from chimera.improve.result import Progress

__all__ = ["Display", "make_display", "number"]

PLAIN_INTERVAL_S: Final = 5.0
PHASES: Final = {
    "prepare": "measuring the original",
    "search": "searching",
    "verdict": "judging on unseen instances",
    "done": "done",
    "interrupted": "saved",
}


def number(value: float | None, digits: int = 6) -> str:
    """Return a score as a person reads it."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}g}"


def _gain(percent: float | None) -> str:
    return "" if percent is None else f"{percent:+.2f} %"


class Display(Protocol):
    """Something that shows progress while it is entered."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""

    def update(self, progress: Progress) -> None:
        """Show one sign of life."""


class _Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, progress: Progress) -> None:
        """Ignore it."""


class _Plain(_Quiet):
    """One line per new phase, and for new bests and otherwise every few seconds."""

    def __init__(self) -> None:
        self._phase = ""
        self._last = 0.0

    def update(self, progress: Progress) -> None:
        """Print a line when it is time."""
        now = time.monotonic()
        is_due = now - self._last >= (1.0 if progress.is_improved else PLAIN_INTERVAL_S)
        if progress.phase == self._phase and not is_due:
            return
        self._phase, self._last = progress.phase, now
        text = f"[{progress.run}] {PHASES[progress.phase]}"
        if progress.generation:
            text += (
                f": {100 * progress.fraction:3.0f} %, generation {progress.generation}, "
                f"{progress.evaluations} evaluations, best {number(progress.best)} "
                f"({_gain(progress.gain_percent) or 'baseline is 0'}), {progress.seconds:.1f} s"
            )
        complain(text)


class _Rich:
    """A live panel: budget bar, best score, speed, origin of the best."""

    def __init__(self, title: str, budget: Budget) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._budget = budget
        self._rate = 0.0
        self._seen: tuple[int, float] | None = None
        self._live = Live(console=Console(stderr=True), refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """Redraw."""
        now = (progress.evaluations, progress.seconds)
        if self._seen and now[1] > self._seen[1]:
            rate = (now[0] - self._seen[0]) / (now[1] - self._seen[1])
            self._rate = rate if self._rate == 0.0 else 0.8 * self._rate + 0.2 * rate
        self._seen = now
        with suppress(OSError):  # a terminal that went away does not end a run
            self._live.update(self._panel(progress))

    def _panel(self, progress: Progress) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1)
        head.add_column(justify="right")
        head.add_row(
            ProgressBar(total=1.0, completed=progress.fraction, width=None),
            f"{100 * progress.fraction:3.0f} % of {self._budget}",
        )
        gain = Text(_gain(progress.gain_percent), style="bold green")
        facts = Table.grid(padding=(0, 2))
        for _ in range(4):
            facts.add_column()
        best = Text.assemble((number(progress.best), "bold"), "  ", gain)
        facts.add_row(
            "[dim]best[/]", best, "[dim]evaluations[/]",
            f"{progress.evaluations:,}  [dim]{self._rate:,.0f}/s[/]",
        )  # fmt: skip
        facts.add_row(
            "[dim]original[/]", number(progress.baseline), "[dim]generation[/]",
            f"{progress.generation:,}",
        )  # fmt: skip
        facts.add_row(
            "[dim]found by[/]", progress.operator or "-", "[dim]elapsed[/]",
            f"{progress.seconds:.0f} s",
        )  # fmt: skip
        title = f"[bold]{self._title}[/] [dim]{progress.run}[/] · {PHASES[progress.phase]}"
        return Panel(Group(head, facts), title=title, title_align="left", border_style="cyan")


def make_display(title: str, budget: Budget, *, is_quiet: bool) -> Display:
    """Return the display that fits standard error.

    Args:
        title: The task's name.
        budget: What the run may spend.
        is_quiet: True shows nothing.
    """
    if is_quiet:
        return _Quiet()
    return _Rich(title, budget) if sys.stderr.isatty() else _Plain()
