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


def test_a_file_that_is_gone_is_noticed() -> None:
    assert NAMED.findall("see `operations/known.py` and formats/") == ["operations/known.py", "formats/"]
    assert not is_there("operations/known.py")
