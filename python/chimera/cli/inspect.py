"""``chimera show``, ``history``, ``report`` and ``verify``: reading a project."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from chimera.cli.errors import guarded
from chimera.cli.improve import ProjectOption
from chimera.cli.progress import number
from chimera.cli.streams import complain, emit
from chimera.config import resolve_project

__all__ = ["history", "report", "show", "verify"]

WARNINGS_MAX: Final = 5
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunArgument = Annotated[
    str | None, typer.Argument(help="The run, such as r3; default the latest.", show_default=False)
]


def show(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|TASK]",
            help="A run such as r3, or a task name for its live version; default the latest run.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", help="With a task name: this version's source.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run's verdict and source, or a task's live version.

    [bold]Examples[/bold]

    chimera show --project examples/.chimera

    chimera show r3

    chimera show bin_packing --version 1
    """
    with guarded(is_json=as_json):
        from chimera.improve.history import load_result
        from chimera.improve.registry import Registry
        from chimera.improve.store import Project

        folder = resolve_project(project)
        with Project(folder, write=False) as opened:
            registry = Registry(opened)
            if target is not None and target in registry.tasks():
                chosen = registry.version(target, version)
                text = registry.source(chosen)
                _warn(folder, [] if chosen.run is None else [chosen.run])
                if as_json:
                    facts = {"task": target, "version": chosen.number, "kind": chosen.kind,
                             "live": chosen.is_live, "run": chosen.run, "gain": chosen.gain,
                             "source": text}  # fmt: skip
                    emit(facts)
                else:
                    typer.echo(text, nl=False)
                return
        result = load_result(folder, target)
        _warn(folder, [result.run])
        if as_json:
            emit(result.to_dict())
            return
        from chimera.cli.summary import print_result

        print_result(result)


def _warn(folder: Path, runs: list[str]) -> None:
    """Say on standard error when what is about to be shown does not agree with the ledger."""
    from chimera.improve.audit import doubts

    for doubt in doubts(folder, runs)[:WARNINGS_MAX]:
        complain(f"warning: {doubt}; see `chimera verify`")


def history(
    task: Annotated[str | None, typer.Argument(help="Only this task.", show_default=False)] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List runs and registered versions.

    [bold]Examples[/bold]

    chimera history --project examples/.chimera

    chimera history bin_packing --json
    """
    with guarded(is_json=as_json):
        from chimera.improve.history import history_of

        folder = resolve_project(project)
        facts = history_of(folder, task)
        _warn(folder, [run["run"] for run in facts["runs"]])
        if as_json:
            emit(facts)
            return
        from rich.table import Table

        from chimera.cli.summary import console

        runs = Table("run", "task", "status", "gain", "evals", "seconds", "started",
                     box=None, header_style="dim", padding=(0, 2), title="Runs",
                     title_justify="left")  # fmt: skip
        for run in facts["runs"]:
            gain = run["gain_percent"]
            runs.add_row(
                run["run"], run["task"], run["status"].replace("_", " "),
                "-" if gain is None else f"{gain:+.2f} %", f"{run['evaluations']:,}",
                f"{run['seconds']:.1f}",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(run["started"])),
            )  # fmt: skip
        versions = Table("task", "version", "kind", "run", "gain", "", box=None,
                         header_style="dim", padding=(0, 2), title="Versions",
                         title_justify="left")  # fmt: skip
        for item in facts["versions"]:
            versions.add_row(
                item["task"], str(item["version"]), item["kind"], item["run"] or "-",
                number(item["gain"]), "[bold green]live[/]" if item["live"] else "",
            )  # fmt: skip
        console().print(runs, "", versions)


def report(
    run: RunArgument = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    project: ProjectOption = None,
) -> None:
    """Write a run's report as one HTML file.

    [bold]Examples[/bold]

    chimera report --project examples/.chimera --open

    chimera report r3 --out r3.html
    """
    with guarded():
        from chimera.improve.history import load_result

        folder = resolve_project(project)
        result = load_result(folder, run)
        _warn(folder, [result.run])
        path = result.write_report(out)
        typer.echo(str(path))
        if open_:
            typer.launch(path.as_uri())


def verify(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Recompute every hash of the ledger, and compare what is stored with it.

    [bold]Examples[/bold]

    chimera verify --project examples/.chimera
    """
    with guarded(is_json=as_json):
        from chimera.improve.audit import audit
        from chimera.improve.store import Project

        with Project(resolve_project(project), write=False) as opened:
            counts = audit(opened)
        if as_json:
            emit({"status": "sound", "events": counts})
            return
        typer.echo(f"sound: {sum(counts.values())} events in {len(counts)} chains")
