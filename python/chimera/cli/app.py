"""The command tree of ``chimera``."""

from __future__ import annotations

from typing import Annotated

import typer

import chimera
from chimera.cli.improve import improve
from chimera.cli.inspect import history, report, show, verify
from chimera.cli.manage import replay, rollback
from chimera.cli.runs import runs

__all__ = ["app"]

EPILOG = (
    "Exit codes: 0 done (adopted, or no gain proven: the output says which), 1 internal error, "
    "2 bad input, 3 storage or ledger, 4 evidence does not hold, 130 interrupted."
)

app = typer.Typer(
    name="chimera",
    help="Improve plain Python programs: evolved in a sandbox, proven on unseen data.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"chimera {chimera.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Improve plain Python programs: evolved in a sandbox, proven on unseen data."""


for _command in (improve, show, history, rollback, replay, report, verify, runs):
    app.command(epilog=EPILOG)(_command)
