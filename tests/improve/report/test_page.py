import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chimera.errors import StorageError
from chimera.improve.report import render
from chimera.improve.result import Holdout, Improvement, LineageStep


def improvement(**changes: Any) -> Improvement:
    facts: dict[str, Any] = {
        "run": "r1", "task": "line<script>", "status": "adopted", "reason": "above its noise",
        "baseline": 1.0, "best": 0.5,
        "holdout": Holdout(1.0, 0.5, 0.5, (0.4, 0.6), 50.0, 2.0, 3),
        "direction": "minimize", "original": "def f(x):\n    return x\n",
        "module_source": "def f(x):\n    return x < 2\n", "source": "def f(x): ...\n",
        "version": 1, "is_live": True, "evaluations": 1_000, "generations": 9, "seconds": 1.5,
        "seed": 7, "threads": 2, "ledger_hash": "ab" * 32,
        "lineage": (LineageStep("a", 1.0, 0.0, "", 0, (), "def f(x): ...\n"),
                    LineageStep("b", 0.5, 0.5, "insert_statement", 3, ("a",), "def f(x): ...\n")),
        "project": Path("project"),
        "details": {"points": [(1, 100, 0.5, 0.8), (9, 1_000, 1.5, 0.5)],
                    "baseline_holdout": [1.0, 1.1, 0.9], "best_holdout": [0.5, 0.6, 0.95],
                    "operators": [{"name": "point", "n_tried": 9, "n_accepted": 1, "gain": 0.5}],
                    "settings": {"train": 16, "holdout": 3}, "environment": {"chimera": "0.1.0"},
                    "started": 0.0, "n_events": 8, "path": "line.py"},
    }  # fmt: skip
    return Improvement(**(facts | changes))


class Checker(HTMLParser):
    """Counts tags and collects everything that could reach out."""

    VOID = frozenset(("meta", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "not_proven", "version": None, "is_live": False},
        {"direction": "maximize"},
        {"holdout": Holdout(0.0, 0.5, 0.5, (0.4, 0.6), None, None, 3)},
        {"holdout": Holdout(1.0, math.nan, math.nan, (math.nan, math.nan), None, None, 3)},
        {"details": {"path": "line.py"}},
    ],
)
def test_page_is_well_formed_and_asks_nothing_of_the_network(changes: dict[str, Any]) -> None:
    page = render(improvement(**changes))
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.links == []
    assert "url(" not in page
    assert "@import" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_text_from_outside_is_escaped() -> None:
    page = render(improvement(reason="<img src=x>"))
    assert "<img" not in page
    assert "line<script>" not in page


def test_page_shows_the_evidence() -> None:
    page = render(improvement())
    for text in ("+50.00", "ab" * 32, "insert statement", "chimera replay r1", "version 1"):
        assert text in page


def test_write_report_is_whole_or_an_error(tmp_path: Path) -> None:
    target = improvement().write_report(tmp_path / "report.html")
    assert target.read_text().endswith("</html>\n")
    with pytest.raises(StorageError, match="another place"):
        improvement().write_report(tmp_path / "none" / "report.html")
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


def test_result_as_json_types_has_no_nan() -> None:
    holdout = Holdout(1.0, math.nan, math.nan, (math.nan, math.nan), None, None, 3)
    facts = improvement(holdout=holdout).to_dict()
    assert facts["holdout"]["ci95"] == [None, None]
    for name in ("baseline", "best", "source", "evaluations", "seconds", "seed", "ledger_hash"):
        assert facts[name] is not None
