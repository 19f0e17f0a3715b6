import html
import re

import pytest

from chimera.improve.report.code import highlight, side_by_side

SOURCE = 'def f(x: int) -> str:\n    # note <b>\n    return f"{x}" + """a\nb""" * 2\n'


def plain(text: str) -> str:
    return html.unescape(re.sub(r"</?(i|div)[^>]*>", "", text))


@pytest.mark.parametrize("source", [SOURCE, "", "x = 1", "def broken(:\n  'open", "\tx = (\n"])
def test_highlighting_keeps_the_text(source: str) -> None:
    assert [plain(line) for line in highlight(source)] == source.split("\n")


def test_markup_in_source_is_escaped() -> None:
    assert "<b>" not in "".join(highlight(SOURCE))
    assert "<script>" not in side_by_side("x = '<script>'", "x = '</div><script>'")


def test_side_by_side_marks_changes_and_numbers_lines() -> None:
    before = "\n".join(f"line_{idx}" for idx in range(40))
    page = side_by_side(before, before.replace("line_20", "line_x"))
    assert '<div class="no del">21</div>' in page
    assert '<div class="no add">21</div>' in page
    assert "line_5<" not in page


def test_equal_texts_are_shown_whole() -> None:
    assert side_by_side("a = 1\nb = 2", "a = 1\nb = 2").count('class="line"') == 4
