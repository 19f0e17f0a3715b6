"""``chimera improve``."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera.cli.errors import INTERRUPTED, guarded
from chimera.cli.progress import make_display
from chimera.errors import ConfigError

if TYPE_CHECKING:
    from chimera.improve.result import Improvement
    from chimera.improve.run import Run

__all__ = ["improve"]

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        help="Project folder; default CHIMERA_PROJECT, or .chimera beside the task file.",
        rich_help_panel="Where",
    ),
]


def improve(  # noqa: PLR0917 - options, all given by name
    task: Annotated[Path, typer.Argument(help="The task file.", show_default=False)],
    budget: Annotated[
        str | None,
        typer.Option(help="Wall-clock limit, for example 60s, 5m, 1h30m. Default 60s."),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(help="Limit on objective calls, instead of time; repeats bit for bit."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run. Default 0.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Worker threads, 0 for all cores; never changes a result.")
    ] = None,
    train: Annotated[int | None, typer.Option(help="Training instances. Default 128.")] = None,
    holdout: Annotated[int | None, typer.Option(help="Unseen instances. Default 64.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the task's last unfinished run.")
    ] = False,
    run: Annotated[
        str | None, typer.Option("--run", help="With --resume: the run to continue, such as r3.")
    ] = None,
    project: ProjectOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the adopted task file here.", rich_help_panel="Where"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report here, one HTML file.", rich_help_panel="Where"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Evolve the marked functions of a task file and prove the gain on unseen instances.

    [bold]Examples[/bold]

    chimera improve examples/bin_packing.py --budget 60s --seed 1

    chimera improve task.py --evaluations 20000 --json

    chimera improve task.py --resume
    """
    with guarded(is_json=as_json):
        from chimera.improve.api import steps

        if run is not None and not resume:
            raise ConfigError("expected --resume beside --run, got --run alone; add --resume")
        given = {"budget": budget, "evaluations": evaluations, "seed": seed, "train": train,
                 "holdout": holdout}  # fmt: skip
        if resume:
            _refuse_changes(given)
        options: dict[str, Any] = {name: item for name, item in given.items() if item is not None}
        going = steps(task, **options, threads=threads, project=project, resume=run or resume)
        _go(going, is_quiet=quiet)
        if going.result is None:
            _print_interrupted(going, task, as_json=as_json)
            raise typer.Exit(INTERRUPTED)
        _deliver(going.result, out=out, report=report, as_json=as_json, is_quiet=quiet)


def _refuse_changes(given: Mapping[str, object]) -> None:
    changed = [f"--{name}" for name, value in given.items() if value is not None]
    if changed:
        raise ConfigError(
            f"expected a resumed run to keep its settings, got {', '.join(changed)}; leave them out"
        )


def _go(run: Run, *, is_quiet: bool) -> None:
    display = make_display(run.task.name, run.settings.budget, is_quiet=is_quiet)
    iterator: Any = iter(run)
    with _stop_on_interrupt(run), closing(iterator), display:
        for progress in iterator:
            display.update(progress)


@contextmanager
def _stop_on_interrupt(run: Run) -> Iterator[None]:
    """Let the first Ctrl-C stop at a generation boundary, the second one at once."""

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        run.request_stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _print_interrupted(run: Run, task: Path, *, as_json: bool) -> None:
    if as_json:
        facts = {"status": "interrupted", "run": run.id, "seconds": round(run.seconds, 3),
                 "project": str(run.folder)}  # fmt: skip
        typer.echo(json.dumps(facts))
    typer.echo(
        f"interrupted; run {run.id} is saved. Continue with:\n"
        f"  chimera improve {task} --resume --project {run.folder}",
        err=True,
    )


def _deliver(
    result: Improvement,
    *,
    out: Path | None,
    report: Path | None,
    as_json: bool,
    is_quiet: bool,
) -> None:
    written: dict[str, str | None] = {}
    if out is not None:
        written["out"] = str(result.write_source(out)) if result.is_adopted else None
    if report is not None:
        written["report"] = str(result.write_report(report))
    if as_json:
        typer.echo(json.dumps(result.to_dict() | written))
        return
    if is_quiet:
        typer.echo(f"{result.run} {result.status}: {result.reason}")
    else:
        from chimera.cli.summary import print_result

        print_result(result)
    for name, path in written.items():
        typer.echo(f"{name}: {path or 'not written, the original stays'}", err=True)
