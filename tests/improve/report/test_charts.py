import math
from xml.etree import ElementTree as ET

import pytest

from chimera.improve.report.charts import (
    gain_chart,
    number,
    paired_chart,
    score_chart,
    ticks,
)


def check(svg: str) -> ET.Element:
    for name, text in (("&#8239;", " "), ("&minus;", "-"), ("&ndash;", "-"), ("&rarr;", ">")):
        svg = svg.replace(name, text)
    assert "nan" not in svg
    assert "inf" not in svg
    return ET.fromstring(svg)  # noqa: S314 - our own output


@pytest.mark.parametrize(
    "points",
    [[], [(10.0, 1.0)], [(5.0, 0.9), (9.0, 0.9), (20.0, 0.1)], [(1.0, math.nan), (2.0, 5.0)]],
)
def test_score_chart_is_sound_svg(points: list[tuple[float, float]]) -> None:
    check(score_chart(points, 1.0, "evaluations"))


@pytest.mark.parametrize(
    "gains", [[0.0] * 8, [1.0] * 8, [-3.0, 2.0, 1e-9], [1e12, 2e12], [0.1 * i for i in range(64)]]
)
def test_gain_chart_is_sound_svg(gains: list[float]) -> None:
    svg = check(gain_chart(gains, (min(gains), max(gains)), gains[0]))
    assert len(svg.findall("{*}circle") + svg.findall("circle")) >= len(gains)


def test_gain_chart_says_when_there_is_nothing_to_show() -> None:
    assert "no score" in gain_chart([math.nan], (math.nan, math.nan), math.nan)
    assert not paired_chart([1.0], [math.nan], is_lower_better=True)


def test_paired_chart_colours_by_direction() -> None:
    assert 'class="up"' in paired_chart([2.0], [1.0], is_lower_better=True)
    assert 'class="down"' in paired_chart([2.0], [1.0], is_lower_better=False)
    check(paired_chart([1.0, 2.0, 3.0], [1.0, 2.5, 1.0], is_lower_better=True))


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0.0, 1.0) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(3.0, 3.0) == [3.0]
    assert all(-0.7 <= tick <= 12.3 for tick in ticks(-0.7, 12.3))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1&#8239;234&#8239;567"), (-2.5, "&minus;2.5"), (None, "&ndash;"),
     (math.nan, "&ndash;"), (0.0, "0")],
)  # fmt: skip
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert number(value) == text
