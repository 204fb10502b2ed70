"""The site has every seam: `make docs` itself sees to pages and links."""

from __future__ import annotations

from tests.docs.typed_pages import ROOT

DOCS = ROOT / "docs"


def test_every_seam_is_on_its_page() -> None:
    page = (DOCS / "reference" / "seams.rst").read_text()
    seams = [file for file in (ROOT / "git_theta").rglob("base.py") if "(ABC)" in file.read_text()]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in seams]
    assert len(names) > 5
    assert not [name for name in names if f"automodule:: {name}\n" not in page]
