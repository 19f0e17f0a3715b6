"""``chimera rollback`` and ``replay``."""

from __future__ import annotations

from typing import Annotated

import typer

from chimera.cli.errors import EVIDENCE, guarded
from chimera.cli.improve import ProjectOption
from chimera.cli.inspect import JsonOption
from chimera.cli.streams import emit
from chimera.config import resolve_project

__all__ = ["replay", "rollback"]


def rollback(
    task: Annotated[str, typer.Argument(help="The task's name.", show_default=False)],
    to: Annotated[
        int | None, typer.Option("--to", help="The version; default the one live before.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an earlier version back in use; the change is an event in the ledger.

    [bold]Examples[/bold]

    chimera rollback bin_packing

    chimera rollback bin_packing --to 0 --project examples/.chimera
    """
    with guarded(is_json=as_json):
        from chimera.improve.history import roll_back

        before, after = roll_back(resolve_project(project), task, to)
        if as_json:
            emit({"task": task, "from": before.number, "to": after.number})
            return
        typer.echo(f"{task}: version {after.number} is live (was {before.number})")


def replay(
    run: Annotated[str, typer.Argument(help="The run, such as r3.", show_default=False)],
    threads: Annotated[int, typer.Option(help="Worker threads, 0 for all cores.")] = 0,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a finished run again and compare the ledger hashes; nothing is written.

    [bold]Examples[/bold]

    chimera replay r3 --project examples/.chimera
    """
    with guarded(is_json=as_json):
        from chimera.improve.replay import replay as run_again

        outcome = run_again(resolve_project(project), run, threads=threads)
        if as_json:
            facts = {"run": run, "equal": outcome.is_equal, "recorded": outcome.recorded,
                     "replayed": outcome.replayed, "events": outcome.n_events,
                     "reason": outcome.reason}  # fmt: skip
            emit(facts)
        elif outcome.is_equal:
            typer.echo(f"equal: {outcome.n_events} events, ledger {outcome.recorded}")
        else:
            typer.echo(
                f"different: recorded {outcome.recorded}, replayed {outcome.replayed}; "
                f"{outcome.reason}",
                err=True,
            )
        if not outcome.is_equal:
            raise typer.Exit(EVIDENCE)
