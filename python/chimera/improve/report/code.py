"""Python source as HTML: syntax colouring, and two texts side by side with their differences."""

from __future__ import annotations

import difflib
import io
import keyword
import tokenize
from html import escape
from typing import Final

__all__ = ["highlight", "side_by_side"]

CONTEXT_LINES: Final = 2
BUILTINS: Final = frozenset(
    (
        "abs", "bool", "enumerate", "float", "int", "len", "list", "math", "max", "min", "range",
        "round", "sum", "zip", "True", "False", "None",
    )
)  # fmt: skip


def highlight(source: str) -> list[str]:
    """Return each line as HTML with coloured tokens; text that does not tokenise stays plain."""
    lines = source.split("\n")
    spans: dict[int, list[tuple[int, int, str]]] = {}
    previous = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = _kind(token, previous)
            if token.string.strip():
                previous = token.string
            if kind is None:
                continue
            (first, start), (last, end) = token.start, token.end
            for number in range(first, last + 1):
                left = start if number == first else 0
                right = end if number == last else len(lines[number - 1])
                spans.setdefault(number, []).append((left, right, kind))
    except (tokenize.TokenError, SyntaxError):
        return [escape(line) for line in lines]
    return [_coloured(line, spans.get(idx, [])) for idx, line in enumerate(lines, start=1)]


def _kind(  # noqa: PLR0911 - one return per kind of token
    token: tokenize.TokenInfo, previous: str
) -> str | None:
    if token.type == tokenize.COMMENT:
        return "c"
    if token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
        return "s"
    if token.type == tokenize.NUMBER:
        return "n"
    if token.type == tokenize.NAME:
        if previous == "def":
            return "f"
        if keyword.iskeyword(token.string) and token.string not in BUILTINS:
            return "k"
        if token.string in BUILTINS:
            return "b"
    if token.type == tokenize.OP and token.string == "@":
        return "k"
    return None


def _coloured(line: str, spans: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    position = 0
    for left, right, kind in spans:
        parts.append(escape(line[position:left]))
        parts.append(f'<i class="{kind}">{escape(line[left:right])}</i>')
        position = right
    parts.append(escape(line[position:]))
    return "".join(parts)


def side_by_side(before: str, after: str) -> str:
    """Return two texts side by side as HTML: changed parts with a little context.

    Args:
        before: The original text.
        after: The new text.
    """
    old, new = before.rstrip().split("\n"), after.rstrip().split("\n")
    old_html, new_html = highlight(before.rstrip()), highlight(after.rstrip())
    rows: list[str] = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for count, group in enumerate(matcher.get_grouped_opcodes(CONTEXT_LINES)):
        if count:
            rows.append('<div class="skip">&#8943;</div>')
        for tag, left, left_end, right, right_end in group:
            n = max(left_end - left, right_end - right)
            for idx in range(n):
                i, j = left + idx, right + idx
                rows.append(_cell(i, old_html, i < left_end, tag, "del"))
                rows.append(_cell(j, new_html, j < right_end, tag, "add"))
    if not rows:
        rows = [
            _cell(idx, html, is_present=True, tag="equal", mark="")
            for idx in range(len(old))
            for html in (old_html, new_html)
        ]
    return f'<div class="diff">{"".join(rows)}</div>'


def _cell(idx: int, lines: list[str], is_present: bool, tag: str, mark: str) -> str:  # noqa: FBT001
    if not is_present:
        return '<div class="no"></div><div class="line gap"></div>'
    style = "" if tag == "equal" else f" {mark}"
    return f'<div class="no{style}">{idx + 1}</div><div class="line{style}">{lines[idx]}</div>'
