"""The first page leads to every other, and every search has its place there."""

import re
from pathlib import Path

import chimera.evolution
from chimera.evolution import Algorithm

FOLDER = Path(__file__).parents[2] / "docs" / "evolution"
TEXT = (FOLDER / "index.md").read_text(encoding="utf-8")


def test_the_first_page_links_every_page_and_no_other() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)[#)]", TEXT + ")"))
    pages = {path.name for path in FOLDER.glob("*.md")} - {"index.md"}
    assert linked == pages


def test_links_within_pages_lead_to_headings() -> None:
    for link, page in re.findall(r"\]\((([\w-]*\.md|)#[\w-]+)\)", TEXT):
        place = link.partition("#")[2]
        text = (FOLDER / page).read_text(encoding="utf-8") if page else TEXT
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert place in {
            re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in headings
        }


def test_every_search_stands_on_the_first_page() -> None:
    table = TEXT[TEXT.index("## Which search") : TEXT.index("## What is shared")]
    for name in chimera.evolution.__all__:
        kind = getattr(chimera.evolution, name)
        if isinstance(kind, type) and issubclass(kind, Algorithm):
            known = {"Algorithm": "minimize", "Portfolio": "portfolio", "RandomSearch": "minimize"}
            assert f"`{known.get(name, name)}" in table.replace("[`", "`"), name
