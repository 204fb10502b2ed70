"""The notebooks of the docs run from top to bottom, in a kernel of their own, and show what they speak of."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import seal_environment

nbformat = pytest.importorskip("nbformat", reason="nbclient runs notebooks")
nbclient = pytest.importorskip("nbclient", reason="nbclient runs notebooks")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PAGES_SHOWN = {
    "a-router-by-hand.ipynb": ["show_weights()", "table.assign(mean=table.mean(axis=1)).round(1)"],
    "lambda-per-tensor.ipynb": ["show_rates()"],
    "two-fine-tunes.ipynb": ["changes", "family"],
}
"""The cells, by their last line, that have to show a page or a table."""


def read_notebook(file: Path) -> Any:
    return nbformat.read(file, as_version=4)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_nothing_that_was_computed_is_kept_in_it(file: Path) -> None:
    cells = [cell for cell in read_notebook(file).cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_it_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal_environment(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("PATH", os.pathsep.join([os.fspath(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("TMPDIR", os.fspath(tmp_path))
    found = filter(None, [str(ROOT / "plugins" / "git-theta-smear"), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(found))
    notebook = read_notebook(file)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = {
        cell.source.splitlines()[-1]: [kind for one in cell.outputs for kind in one.get("data", ())] for cell in cells
    }
    assert [source for source in PAGES_SHOWN[file.name] if "text/html" not in shown[source]] == []


def test_there_are_notebooks() -> None:
    assert {file.name for file in NOTEBOOKS} == PAGES_SHOWN.keys()
