"""The documentation's marked snippets run, in order, one empty folder per page.

``<!-- run -->`` before a fence runs it (bash or python); ``<!-- file: NAME -->`` writes it to a
file, which later snippets of the page use. Links of the pages outside docs/ are checked here;
mkdocs checks the others.
"""

import re
import sys
from pathlib import Path

import pytest
from tests.packaging.support import ROOT, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(180)]

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SNIPPET = re.compile(
    r"^<!-- (?P<verb>run|file: (?P<name>[\w.]+)) -->\n+```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"^<!-- (run|file: .*) -->$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _with_snippets() -> list[Path]:
    return [page for page in PAGES if MARK.search(page.read_text(encoding="utf-8"))]


def test_some_snippets_are_marked() -> None:
    assert {"docs/getting-started.md", "docs/tasks.md"} <= {
        _name(page) for page in _with_snippets()
    }


@pytest.mark.parametrize("page", _with_snippets(), ids=_name)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    snippets = list(SNIPPET.finditer(text))
    assert len(snippets) == len(MARK.findall(text)), "a mark stands before something else"
    for snippet in snippets:
        if snippet["name"]:
            (tmp_path / snippet["name"]).write_text(snippet["text"], encoding="utf-8")
        elif snippet["language"] == "bash":
            run("bash", "-euo", "pipefail", "-c", snippet["text"], cwd=tmp_path)
        else:
            assert snippet["language"] == "python"
            run(sys.executable, "-c", snippet["text"], cwd=tmp_path)


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=_name)
def test_links_of_top_pages_lead_somewhere(page: Path) -> None:
    missing = [
        link
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert missing == []
