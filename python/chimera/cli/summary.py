"""How a result reads on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from chimera.cli.progress import number

if TYPE_CHECKING:
    from chimera.improve.result import Improvement

__all__ = ["console", "print_result"]


def console() -> Console:
    """Return the console of standard output."""
    return Console(highlight=False)


def print_result(result: Improvement) -> None:
    """Print a finished run: verdict, numbers, the winner's source."""
    out = console()
    if result.is_adopted:
        where = "live" if result.is_live else "registered, an earlier version stays live"
        verdict = Text(f"adopted as version {result.version} ({where})", style="bold green")
    else:
        verdict = Text("no improvement proven; the original stays", style="bold yellow")
    out.print(
        Panel(
            Group(verdict, Text(result.reason, style="dim"), "", _numbers(result)),
            title=f"[bold]{result.task}[/] [dim]{result.run}[/]",
            title_align="left",
            border_style="green" if result.is_adopted else "yellow",
        )
    )
    if result.is_adopted or len(result.lineage) > 1:
        source = result.source.rstrip()
        if out.is_terminal:
            out.print(Syntax(source, "python", word_wrap=True, background_color="default"))
        else:
            out.print(Text(source), soft_wrap=True)
        out.print()
    _print_next(result, out)


def _numbers(result: Improvement) -> Table:
    holdout = result.holdout
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in ("original", "evolved", "gain", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("training", number(result.baseline, 4), number(result.best, 4), "", "")
    gain, interval = number(holdout.gain, 4), [number(end, 4) for end in holdout.ci95]
    if holdout.gain_percent is not None:
        gain = f"{holdout.gain_percent:+.2f} %"
        interval = [f"{100.0 * end / abs(holdout.baseline):+.2f} %" for end in holdout.ci95]
    table.add_row(
        f"unseen ({holdout.n})",
        number(holdout.baseline, 4),
        number(holdout.best, 4),
        gain,
        " to ".join(interval),
    )
    footer = (
        f"{result.direction}, {result.evaluations:,} evaluations, {result.generations} "
        f"generations, {result.seconds:.1f} s, seed {result.seed}"
    )
    table.caption = footer
    table.caption_justify = "left"
    return table


def _print_next(result: Improvement, out: Console) -> None:
    out.print(Text(f"ledger {result.ledger_hash}", style="dim"))
    project = f"--project {result.project}"
    out.print(Text(f"chimera report {result.run} {project}", style="dim"))
    if result.is_adopted:
        out.print(Text(f"chimera rollback {result.task} {project}", style="dim"))
