"""``chimera runs``: what a genome database holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera.cli.errors import guarded
from chimera.cli.inspect import JsonOption
from chimera.cli.progress import number
from chimera.cli.streams import emit

if TYPE_CHECKING:
    from chimera.evolution.database import OperatorCredit, RunRecord

__all__ = ["runs"]


def runs(
    database: Annotated[
        str,
        typer.Argument(
            metavar="DATABASE", help="An SQLite file, or postgresql://user:password@host/database."
        ),
    ],
    run: Annotated[
        int | None,
        typer.Argument(help="The number of a run: its best individual and operators as well."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the searches that a genome database recorded.

    [bold]Examples[/bold]

    chimera runs runs.db

    chimera runs runs.db 3 --json
    """
    with guarded(is_json=as_json):
        from chimera.evolution import GenomeDatabase

        with GenomeDatabase(database, read_only=True) as opened:
            records = opened.runs() if run is None else [opened.run(run)]
            credit = [] if run is None else opened.operator_credit(run)
            best = None if run is None else opened.best(run)
        facts: dict[str, Any] = {"runs": [_facts(record) for record in records]}
        if run is not None and best is not None:
            facts["best"] = _rows(best)
            facts["operators"] = [vars(item) for item in credit]
        if as_json:
            emit(facts)
            return
        _print(records, credit)
        for row in facts.get("best", []):
            typer.echo(f"best: individual {row['id']} of generation {row['generation']}")
            for name, values in row["genome"].items():
                typer.echo(f"  {name} = {values}")


def _facts(record: RunRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name != "space"} | {
        "n_genes": sum(block["n_genes"] for block in record.space)
    }


def _rows(population: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": int(population.ids[row]),
            "generation": int(population.generations[row]),
            "objectives": population.objectives[row].tolist(),
            "genome": {
                name: values[row] if values.dtype.kind == "O" else values[row].tolist()
                for name, values in population.genomes.items()
            },
        }
        for row in range(len(population))
    ]


def _print(records: list[RunRecord], credit: list[OperatorCredit]) -> None:
    from rich.table import Table

    from chimera.cli.summary import console

    table = Table("run", "algorithm", "seed", "evals", "best", "state", "started",
                  box=None, header_style="dim", padding=(0, 1))  # fmt: skip
    for record in records:
        state = "open" if record.finished is None else record.stop_reason or "finished"
        table.add_row(
            str(record.id), record.algorithm, str(record.seed),
            f"{record.n_evaluations:,}", number(record.best), state,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created)),
        )  # fmt: skip
    console().print(table)
    if credit:
        operators = Table("operator", "children", "success", "mean gain", box=None,
                          header_style="dim", padding=(0, 2))  # fmt: skip
        for item in credit:
            operators.add_row(
                item.operator, f"{item.n_children:,}", f"{item.success_rate:.1%}",
                number(item.mean_gain),
            )  # fmt: skip
        console().print("", operators)
