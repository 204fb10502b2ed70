"""The pages for developers name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import git_theta

PACKAGE = Path(git_theta.__file__).parent
ROOT = Path(__file__).parent.parent
PAGES = ["CONTRIBUTING.md", "docs/design/decisions.md", "docs/design/refused.md"]
NAMED = re.compile(r"(?<![\w./-])((?:[a-z_]+/)*[a-z_]+\.py|(?:[a-z_]+/)+)(?![\w*])")
PLACEHOLDERS = {"NAME.py", "base.py"}


def is_there(path: str) -> bool:
    return any((folder / path).exists() for folder in (PACKAGE, ROOT, ROOT / "docs", ROOT / "tests"))


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page: str) -> None:
    found = set(NAMED.findall((ROOT / page).read_text())) - PLACEHOLDERS
    assert found, "the page names none"
    assert not {path for path in found if not is_there(path)}


def test_the_house_has_every_room() -> None:
    """And every wing of the rooms that are made of wings."""
    told = (ROOT / "CONTRIBUTING.md").read_text().partition("## The house")[2].partition("\n## ")[0]
    folders = [PACKAGE, *(PACKAGE / room for room in ("repository", "operations", "vcs"))]
    rooms = {path.parent.name for folder in folders for path in folder.glob("*/__init__.py")}
    rooms |= {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert not {room for room in rooms if f"`{room}`" not in told}


def test_a_file_that_is_gone_is_noticed() -> None:
    assert NAMED.findall("see `operations/known.py` and formats/") == ["operations/known.py", "formats/"]
    assert not is_there("operations/known.py")
