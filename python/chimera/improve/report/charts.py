"""Charts as inline SVG. Colours are classes, so the page's light and dark themes apply."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from html import escape

__all__ = ["gain_chart", "number", "paired_chart", "score_chart"]

WIDE, NARROW, HEIGHT = 1040.0, 520.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 20.0, 18.0, 40.0
DOTS_MAX = 400
WHOLE_MAX = 1e15
Scale = Callable[[float], float]


def number(value: float | None, digits: int = 5) -> str:
    """Return a number as a person reads it, thousands grouped."""
    if value is None or not math.isfinite(value):
        return "&ndash;"
    if float(value).is_integer() and abs(value) < WHOLE_MAX:
        text = f"{int(value):,}".replace(",", "&#8239;")
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", "&minus;") if text.startswith("-") else text


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Return round positions that cover an interval."""
    span = high - low
    if not math.isfinite(span) or span <= 0.0:
        return [low]
    raw = span / n
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [idx * step for idx in range(first, last + 1)]


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def _frame(
    x: tuple[float, float],
    y: tuple[float, float],
    x_label: str,
    y_label: str,
    *,
    width: float,
    y_ticks: bool = True,
) -> tuple[Scale, Scale, list[str]]:
    end = width - RIGHT
    to_x = _scale(*x, LEFT, end)
    to_y = _scale(*y, HEIGHT - BOTTOM, TOP)
    parts = []
    for tick in ticks(*y) if y_ticks else []:
        at = to_y(tick)
        parts.append(_line("grid", LEFT, at, end, at))
        parts.append(_text("tick end", LEFT - 8, at + 4, number(tick, 4)))
    base = HEIGHT - BOTTOM
    parts.append(_line("axis", LEFT, base, end, base))
    for tick in ticks(*x, n=6):
        at = to_x(tick)
        parts.append(_line("axis", at, base, at, base + 4))
        parts.append(_text("tick mid", at, base + 17, number(tick, 4)))
    parts.append(_text("label mid", (LEFT + end) / 2, HEIGHT - 6, escape(x_label)))
    if y_label:
        parts.append(_text("label", LEFT, TOP - 6, escape(y_label)))
    return to_x, to_y, parts


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(style: str, x: float, y: float, html: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{html}</text>'


def _band(x: float, y: float, width: float, height: float) -> str:
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="band" x="{x:.1f}" y="{y:.1f}" {size}/>'


def _dot(style: str, x: float, y: float, radius: float, title: str) -> str:
    return (
        f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{title}</title></circle>"
    )


def _svg(parts: list[str], description: str, width: float) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {HEIGHT:g}" role="img" aria-label="{escape(description)}">'
        + "".join(parts)
        + "</svg>"
    )


def score_chart(points: Sequence[tuple[float, float]], baseline: float, x_label: str) -> str:
    """Return the best score over the course of a run.

    Args:
        points: ``(n,)`` pairs of position and best score so far.
        baseline: The original's score.
        x_label: What the position counts.
    """
    series = [(0.0, baseline), *[item for item in points if math.isfinite(item[1])]]
    y_range = _padded([score for _, score in series])
    x_range = (0.0, max(position for position, _ in series) or 1.0)
    to_x, to_y, parts = _frame(x_range, y_range, x_label, "best training score", width=WIDE)
    path = [f"M{to_x(series[0][0]):.1f} {to_y(series[0][1]):.1f}"]
    dots: list[str] = []
    for (_, before), (position, score) in itertools.pairwise(series):
        path.append(f"H{to_x(position):.1f}")
        if score != before:
            path.append(f"V{to_y(score):.1f}")
            title = f"{number(score, 6)} at {number(position, 4)} {escape(x_label)}"
            dots.append(_dot("dot", to_x(position), to_y(score), 3.2, title))
    line = "".join(path)
    zero = to_y(baseline)
    area = f"{line}V{zero:.1f}H{to_x(0.0):.1f}Z"
    end = WIDE - RIGHT
    note = _text(
        "note end", end, _beside(zero, to_y(series[-1][1])), f"original {number(baseline)}"
    )
    parts += [
        f'<path class="area" d="{area}"/>',
        _line("base", LEFT, zero, end, zero),
        note,
        f'<path class="best" d="{line}"/>',
        *dots[-DOTS_MAX:],
    ]
    return _svg(parts, f"best training score over {x_label}", WIDE)


def _beside(at: float, other: float) -> float:
    """Place a note on the side of a line where the curve is not."""
    return at - 6.0 if other > at else at + 15.0


def gain_chart(gains: Sequence[float], interval: tuple[float, float], mean: float) -> str:
    """Return the distribution of paired gains with its mean, interval, and zero.

    Args:
        gains: ``(n,)`` gain on each unseen instance; positive is better.
        interval: 95 % interval of the mean.
        mean: Mean gain.
    """
    finite = [gain for gain in gains if math.isfinite(gain)]
    if not finite:
        return '<p class="dim">The winner gives no score on some unseen instances.</p>'
    low, high = _padded([*finite, 0.0, *filter(math.isfinite, interval)])
    to_x, _, parts = _frame(
        (low, high), (0.0, 1.0), "gain per unseen instance", "", width=NARROW, y_ticks=False
    )
    radius = 4.2
    stacks: dict[int, int] = {}
    base = HEIGHT - BOTTOM - 8.0
    columns = [round(to_x(gain) / (2 * radius)) for gain in finite]
    tallest = max(columns.count(column) for column in set(columns))
    rise = min(2 * radius + 0.6, (base - TOP - 40.0) / tallest)
    for gain, column in sorted(zip(finite, columns, strict=True)):
        stack = stacks.get(column, 0)
        stacks[column] = stack + 1
        style = "up" if gain > 0.0 else "down" if gain < 0.0 else "even"
        at = base - stack * rise
        parts.append(_dot(style, column * 2 * radius, at, radius, number(gain)))
    zero = to_x(0.0)
    parts.append(_line("base", zero, TOP, zero, base + 8))
    side, shift = ("end", -6.0) if zero > NARROW / 2 else ("", 6.0)
    parts.append(_text(f"note {side}", zero + shift, base - 150, "no gain"))
    if all(map(math.isfinite, interval)):
        left, right = to_x(interval[0]), to_x(interval[1])
        at = TOP + 14.0
        middle = min(max(to_x(mean), LEFT + 130.0), NARROW - RIGHT - 130.0)
        label = f"mean {number(mean, 4)}, 95 % {number(interval[0], 4)} to {number(interval[1], 4)}"
        parts += [
            _band(left, at - 5.0, max(right - left, 2.0), base + 13.0 - at),
            _line("mean", left, at, right, at),
            _dot("mean", to_x(mean), at, 4.5, "mean"),
            _text("note mid", middle, at - 14, label),
        ]  # fmt: skip
    return _svg(parts, "distribution of paired gains on unseen instances", NARROW)


def paired_chart(before: Sequence[float], after: Sequence[float], *, is_lower_better: bool) -> str:
    """Return original against evolved score, one dot per unseen instance.

    Args:
        before: ``(n,)`` the original's scores.
        after: ``(n,)`` the winner's scores.
        is_lower_better: Which side of the diagonal is the good one.
    """
    pairs = [pair for pair in zip(before, after, strict=True) if all(map(math.isfinite, pair))]
    if not pairs:
        return ""
    x_range = _padded([left for left, _ in pairs], 0.1)
    y_range = _padded([value for pair in pairs for value in pair], 0.06)
    to_x, to_y, parts = _frame(
        x_range, y_range, "original's score", "evolved score, same instance", width=NARROW
    )
    ends = [max(x_range[0], y_range[0]), min(x_range[1], y_range[1])]
    if ends[0] < ends[1]:
        (x1, y1), (x2, y2) = ((to_x(end), to_y(end)) for end in ends)
        parts.append(_line("base", x1, y1, x2, y2))
        parts.append(_text("note", x1 + 8, y1 - 8, "equal"))
    for left, right in pairs:
        is_better = right < left if is_lower_better else right > left
        style = "even" if left == right else "up" if is_better else "down"
        title = f"{number(left)} &rarr; {number(right)}"
        parts.append(_dot(style, to_x(left), to_y(right), 4.2, title))
    return _svg(parts, "evolved against original score on unseen instances", NARROW)
