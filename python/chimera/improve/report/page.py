"""The report page: sections from a finished run's facts, put together as one HTML text."""

from __future__ import annotations

import math
import time
from html import escape
from typing import TYPE_CHECKING, Any

from chimera.improve.report.charts import gain_chart, number, paired_chart, score_chart
from chimera.improve.report.code import highlight, side_by_side
from chimera.improve.report.style import SCRIPT, STYLE

if TYPE_CHECKING:
    from chimera.improve.result import Improvement

__all__ = ["render"]


def render(result: Improvement) -> str:
    """Return the report of a finished run as one HTML text."""
    title = f"{escape(result.task)} &middot; Chimera report"
    body = "".join(
        (
            _header(result),
            _cards(result),
            _course(result),
            _source(result),
            _holdout(result),
            _lineage(result),
            _tables(result),
            _footer(result),
        )
    )
    return (
        '<!doctype html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style><script>{SCRIPT}</script></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def percent(value: float | None) -> str:
    """Return a signed percentage."""
    if value is None or not math.isfinite(value):
        return "&ndash;"
    return f"{value:+.2f}&#8239;%".replace("-", "&minus;")


def _header(result: Improvement) -> str:
    if result.is_adopted:
        place = "live" if result.is_live else "registered, not live"
        badge = f"adopted &middot; version {result.version} &middot; {place}"
    else:
        badge = "no improvement proven &middot; the original stays"
    verb = "lower" if result.direction == "minimize" else "higher"
    return (
        f"<header><div><h1>{escape(result.task)}</h1>"
        f'<span class="badge {escape(result.status)}">{badge}</span> '
        f'<span class="dim">&nbsp;{escape(result.reason)}; {verb} scores are better</span></div>'
        '<button id="theme" type="button">Light / dark</button></header>'
    )


def _cards(result: Improvement) -> str:
    holdout = result.holdout
    main = "main" if result.is_adopted else "flat"
    if holdout.gain_percent is None:
        gain, (low, high) = number(holdout.gain), map(number, holdout.ci95)
    else:
        gain = percent(holdout.gain_percent)
        low, high = (percent(100.0 * end / abs(holdout.baseline)) for end in holdout.ci95)
    cards = (
        ("", number(holdout.baseline), "original, unseen instances"),
        ("", number(holdout.best), "evolved, unseen instances"),
        (main, gain, f"gain; 95&#8239;% interval {low} to {high}"),
        ("", number(result.evaluations),
         f"evaluations in {result.seconds:.1f}&#8239;s, {number(result.generations)} generations"),
    )  # fmt: skip
    return '<div class="cards">' + "".join(
        f'<div class="card {style}"><b>{value}</b><span>{label}</span></div>'
        for style, value, label in cards
    ) + "</div>"  # fmt: skip


def _course(result: Improvement) -> str:
    points = [point for point in result.details.get("points", []) if math.isfinite(point[3])]
    by_evaluations = score_chart(
        [(point[1], point[3]) for point in points], result.baseline, "evaluations"
    )
    by_time = score_chart([(point[2], point[3]) for point in points], result.baseline, "seconds")
    return (
        '<section><div class="head"><div><h2>Score over the run</h2>'
        '<p class="sub">Mean score of the best program on the training instances.</p></div>'
        '<div class="tabs"><button type="button" data-tab="n" aria-pressed="true">evaluations'
        '</button><button type="button" data-tab="t" aria-pressed="false">time</button></div></div>'
        f'<div data-pane="n">{by_evaluations}</div>'
        f'<div data-pane="t" hidden>{by_time}</div></section>'
    )


def _source(result: Improvement) -> str:
    return (
        "<section><h2>Before and after</h2>"
        '<p class="sub">The task file as it was written, and with the evolved functions. '
        "Both run under plain Python.</p>"
        '<div class="titles"><span>original</span><span>evolved</span></div>'
        f"{side_by_side(result.original, result.module_source)}</section>"
    )


def _holdout(result: Improvement) -> str:
    before = result.details.get("baseline_holdout", [])
    after = result.details.get("best_holdout", [])
    is_lower_better = result.direction == "minimize"
    sign = -1.0 if is_lower_better else 1.0
    gains = [sign * (new - old) for old, new in zip(before, after, strict=True)]
    better = sum(gain > 0.0 for gain in gains)
    equal = sum(gain == 0.0 for gain in gains)
    effect = result.holdout.effect_size
    text = (
        f"Better on {better} of {len(gains)} unseen instances, equal on {equal}"
        + ("" if effect is None else f"; effect size {number(effect, 3)} standard deviations")
        + "."
    )
    return (
        f'<div class="two"><section><h2>Gain on unseen instances</h2><p class="sub">{text}</p>'
        f"{gain_chart(gains, result.holdout.ci95, result.holdout.gain)}</section>"
        "<section><h2>Instance by instance</h2>"
        '<p class="sub">Each dot is one unseen instance, scored by both programs.</p>'
        f"{paired_chart(before, after, is_lower_better=is_lower_better)}</section></div>"
    )


def _lineage(result: Improvement) -> str:
    steps = result.lineage
    largest = max((abs(step.gain) for step in steps), default=0.0) or 1.0
    items = []
    for idx, step in enumerate(steps):
        name = "original" if idx == 0 else escape(step.operator.replace("_", " "))
        gain = "" if idx == 0 else f"{'+' if step.gain >= 0 else ''}{number(step.gain, 4)}"
        width = 0.0 if idx == 0 else 100.0 * max(step.gain, 0.0) / largest
        source = "\n".join(highlight(step.source.rstrip()))
        items.append(
            f'<li><div class="step"><span class="dim">generation {step.generation}</span>'
            f'<span>{name}</span><span class="num mono">{number(step.score, 6)}</span>'
            f'<div class="bar"><u style="width:{width:.1f}%"></u></div>'
            f'<span class="num hide">{gain}</span></div>'
            f"<details><summary>source, {len(step.source.strip().splitlines())} lines</summary>"
            f"<pre>{source}</pre></details></li>"
        )
    return (
        "<section><h2>How the winner came about</h2>"
        '<p class="sub">Its ancestors, the variation that made each, the training score and what '
        f'the step gained.</p><ol class="line">{"".join(items)}</ol></section>'
    )


def _rows(pairs: list[tuple[str, str]]) -> str:
    return "".join(f'<tr><td class="dim">{name}</td><td class="num">{value}</td></tr>'
                   for name, value in pairs)  # fmt: skip


def _tables(result: Improvement) -> str:
    holdout = result.holdout
    settings: dict[str, Any] = result.details.get("settings", {})
    environment: dict[str, Any] = result.details.get("environment", {})
    numbers = _rows(
        [
            ("training score, original", number(result.baseline, 8)),
            ("training score, evolved", number(result.best, 8)),
            ("unseen score, original", number(holdout.baseline, 8)),
            ("unseen score, evolved", number(holdout.best, 8)),
            ("mean paired gain", number(holdout.gain, 8)),
            ("95 % interval", " to ".join(number(end, 8) for end in holdout.ci95)),
            ("training / unseen instances",
             f"{settings.get('train', '&ndash;')} / {settings.get('holdout', '&ndash;')}"),
            ("seed", number(result.seed)),
            ("run", escape(result.run)),
            ("Chimera / Python", escape(f"{environment.get('chimera', '')} / "
                                        f"{environment.get('python', '')}")),
            ("machine", escape(f"{environment.get('system', '')}, "
                               f"{environment.get('cores', '')} cores")),
        ]
    )  # fmt: skip
    operators = "".join(
        f"<tr><td>{escape(str(item.get('name', '')).replace('_', ' '))}</td>"
        f'<td class="num">{number(item.get("n_tried"))}</td>'
        f'<td class="num">{number(item.get("n_accepted"))}</td>'
        f'<td class="num">{number(_gain_of(item), 4)}</td></tr>'
        for item in result.details.get("operators", [])
    )
    return (
        f'<div class="two"><section><h2>Numbers</h2><table>{numbers}</table></section>'
        "<section><h2>What the variations achieved</h2><table><tr><th>variation</th>"
        '<th class="num">tried</th><th class="num">accepted</th><th class="num">gain</th></tr>'
        f"{operators}</table></section></div>"
    )


def _gain_of(item: dict[str, Any]) -> float | None:
    value = item.get("gain", item.get("gain_credit"))
    return None if value is None else float(value)


def _footer(result: Improvement) -> str:
    started = result.details.get("started")
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(started)) if started else ""
    n_events = result.details.get("n_events", 0)
    return (
        f'<footer><p>{n_events} events in the ledger, head <span class="mono hash">'
        f"{escape(result.ledger_hash)}</span></p><p>Repeat this run and compare its hash: "
        f"<code>chimera replay {escape(result.run)}</code>. Put the version before back in use: "
        f"<code>chimera rollback {escape(result.task)}</code>. {when}</p></footer>"
    )
