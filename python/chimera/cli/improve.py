"""``chimera improve``."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera.cli.errors import INTERRUPTED, STORAGE, guarded
from chimera.cli.progress import make_display
from chimera.cli.streams import complain, emit
from chimera.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from chimera.improve.result import Improvement
    from chimera.improve.run import Run

__all__ = ["improve"]


def _project_path(text: str) -> Path:
    if not text:
        raise typer.BadParameter("expected a folder, got nothing; name one or leave it out")
    return Path(text)


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        parser=_project_path,
        metavar="PATH",
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
        typer.Option(
            help="Limit on objective calls, instead of time; repeats bit for bit. The search ends "
            "with the generation that reaches it."
        ),
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
        _check_destinations(task, out, report)
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
        emit(facts)
    complain(
        f"interrupted; run {run.id} is saved. Continue with:\n"
        f"  chimera improve {task} --resume --project {run.folder}"
    )


def _deliver(
    result: Improvement,
    *,
    out: Path | None,
    report: Path | None,
    as_json: bool,
    is_quiet: bool,
) -> None:
    """Write the files, print the result whatever became of them, then report a failed file."""
    written: dict[str, str | None] = {}
    failures: list[str] = []
    writers = {"out": (out, result.write_source), "report": (report, result.write_report)}
    for name, (path, write) in writers.items():
        if path is None:
            continue
        written[name] = None
        if name == "report" or result.is_adopted:
            try:
                written[name] = str(write(path))
            except StorageError as error:
                failures.append(
                    f"{error}; the run is stored: chimera show {result.run} --project "
                    f"{result.project}"
                )
    if as_json:
        emit(result.to_dict() | written)
    else:
        _print(result, is_quiet=is_quiet)
    for name, place in written.items():
        if not as_json and not failures:
            complain(f"{name}: {place or 'not written, the original stays'}")
    for failure in failures:
        complain(f"error: {failure}")
    if failures:
        raise typer.Exit(STORAGE)


def _print(result: Improvement, *, is_quiet: bool) -> None:
    if is_quiet:
        typer.echo(f"{result.run} {result.status}: {result.reason}")
    else:
        from chimera.cli.summary import print_result

        print_result(result)


def _check_destinations(task: Path, out: Path | None, report: Path | None) -> None:
    """Refuse before the search what could not be written after it."""
    from chimera.improve.result import check_writable

    given = {"--out": out, "--report": report}
    places = {name: path.expanduser() for name, path in given.items() if path is not None}
    for name, path in places.items():
        if path.resolve() == task.expanduser().resolve():
            raise ConfigError(
                f"expected {name} to be another file than the task, got the task itself; choose "
                f"another name ({path})"
            )
        check_writable(path)
    if len({path.resolve() for path in places.values()}) < len(places):
        raise ConfigError(f"expected two files for --out and --report, got one twice: {out}")
