"""The site has every page, and every seam: `make docs` itself sees to the links."""

from __future__ import annotations

import re

from tests.docs.typed_pages import ROOT

DOCS = ROOT / "docs"


def test_every_page_can_be_found_from_the_first_one() -> None:
    """Sphinx says so too, of pages below its root; this one needs no Sphinx, and knows of the plug-ins' pages."""
    tree = "".join(
        re.findall(r"^```\{toctree\}\n(.*?)^```$", (DOCS / "index.md").read_text(), re.MULTILINE | re.DOTALL)
    )
    listed = {
        (DOCS / (place[1] or place[0])).resolve() for place in re.findall(r"^(?:(\S+)|.*<(\S+)>)$", tree, re.MULTILINE)
    }
    pages = [*DOCS.rglob("*.md"), *DOCS.rglob("*.rst"), *ROOT.glob("plugins/*/README.md"), ROOT / "README.md"]
    assert not {page for page in pages if page != DOCS / "index.md" and not {page, page.with_suffix("")} & listed}


def test_every_seam_is_on_its_page() -> None:
    page = (DOCS / "reference" / "seams.rst").read_text()
    seams = [file for file in (ROOT / "git_theta").rglob("base.py") if "(ABC)" in file.read_text()]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in seams]
    assert len(names) > 5
    assert not [name for name in names if f"automodule:: {name}\n" not in page]
