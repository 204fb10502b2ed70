"""The documentation as a site (Sphinx): `make docs` builds it from the Markdown that is there, and from docstrings.

The pages' root is the repository's, so that links from docs/ to README.md and plugins/ lead there on the site, too.
"""

from __future__ import annotations

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from git_theta import __version__

project = "Git-Theta"
author = "The Git-Theta developers"
project_copyright = author
release = version = __version__

root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "plugins/*/README.md", "docs/**"]
exclude_patterns = [".*", "git_theta", "tests", "benchmarks", "demo", "build", "**/tests", "docs/man"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
"""Headings can be linked to, by what GitHub calls them."""
highlight_language = "none"

napoleon_use_ivar = True
"""Attributes are told of in the docstring of their class, and not once more beside it."""
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"Git-Theta {release}"
html_copy_source = False
html_show_sphinx = False
html_additional_pages = {"index": "redirect.html"}
templates_path = ["templates"]


def setup(app: Sphinx) -> None:
    """Bytes in hex are a language of the specifications' own, whose examples tests find by it."""
    app.add_lexer("hex", TextLexer)
