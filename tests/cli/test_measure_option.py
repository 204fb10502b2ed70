"""``--measure`` and ``theta.measures``: further numbers in diffs and maps, by real Git."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import git_theta as gt
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox, safetensors_bytes
from tests.templates import built_once

MODEL = "m.safetensors"
SPEC = Path(__file__).parents[2] / "docs/spec"
BOTH = ("--measure", "sign-flips", "--measure", "mean-absolute")
LARGE = 70_000  # more than one stretch


def checkpoint(turned: int, **more: tuple[str, tuple[int, ...], bytes]) -> bytes:
    """A checkpoint in which the first ``turned`` numbers of ``w`` have another sign; ``same`` is always the same."""
    values = np.ones(LARGE, "<f4")
    values[:turned] = -1
    return safetensors_bytes(
        {
            "same": ("F32", (LARGE,), np.ones(LARGE, "<f4").tobytes()),
            "w": ("F32", (LARGE,), values.tobytes()),
            **more,
        }
    )


COMPLEX = ("C64", (2,), np.array([1 + 2j, 3 + 4j], "<c8").tobytes())
TURNED = ("C64", (2,), np.array([1 - 2j, 3 + 4j], "<c8").tobytes())


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """Two commits on main, and a branch from the first of them."""
    _record(sandbox)
    return sandbox


@built_once
def _record(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, checkpoint(0, c=COMPLEX, step=("I64", (1,), bytes(8))))
    sandbox.commit("Base")
    sandbox.git("branch", "start")
    sandbox.git("checkout", "-q", "-b", "side")
    sandbox.write(MODEL, checkpoint(35_000, c=COMPLEX))
    sandbox.commit("Side")
    sandbox.git("checkout", "-q", "main")
    sandbox.write(MODEL, checkpoint(700, c=TURNED, step=("I64", (1,), b"\1" + bytes(7)), new=COMPLEX))
    sandbox.commit("Main")


def parameters(repository: Sandbox, *args: str, code: int = 0) -> dict[str, Any]:
    done = repository.theta("diff", "--json", *args, check=False)
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads((SPEC / "diff.schema.json").read_text()))
    return {one["name"]: one for one in found["checkpoints"][0]["parameters"]}


def test_a_diff_has_columns_for_what_is_asked_for(repository: Sandbox) -> None:
    found = parameters(repository, *BOTH, "HEAD~", "HEAD")
    assert found["w"]["measures"]["further"] == {"sign-flips": 0.01, "mean-absolute": 0.02}
    # The two parts of a complex number are two numbers.
    assert found["c"]["measures"]["further"] == {"sign-flips": 0.25, "mean-absolute": 1.0}
    assert found["step"]["measures"]["further"] == {"sign-flips": 0, "mean-absolute": 1}
    assert found["new"]["measures"]["further"] == {}
    lines = repository.theta("diff", *BOTH, "HEAD~", "HEAD", "-p", "w").stdout.splitlines()
    head, row = lines[-3:-1]  # and then what was not asked for
    titles = ["relative", "norm", "largest", "cosine", "differ", "sign-flips", "mean-absolute", "stored"]
    assert head.split() == titles
    assert row.split()[-4:-2] == ["1.00%", "0.0200"]


def test_without_asking_there_are_none(repository: Sandbox) -> None:
    assert parameters(repository, "HEAD~", "HEAD")["w"]["measures"]["further"] == {}
    assert "sign-flips" not in repository.git("diff", "HEAD~", "HEAD").stdout


def test_git_diff_has_what_the_configuration_names(repository: Sandbox) -> None:
    repository.git("config", "theta.measures", "mean-absolute, sign-flips")
    shown = repository.git("diff", "HEAD~", "HEAD").stdout
    assert "mean-absolute  sign-flips" in shown
    found = parameters(repository, "--measure", "sign-flips", "HEAD~", "HEAD")["w"]["measures"]["further"]
    assert list(found) == ["mean-absolute", "sign-flips"]
    repository.git("config", "theta.measures", "sign-flop")
    done = repository.theta("diff", "HEAD~", "HEAD", check=False)
    assert done.returncode == 2
    assert "theta.measures names 'sign-flop', and no such plug-in is installed" in done.stderr
    assert "Did you mean 'sign-flips'?" in done.stderr
    assert repository.theta("diff", "--stat", "HEAD~", "HEAD").returncode == 0


def test_a_page_has_the_columns_too(repository: Sandbox) -> None:
    repository.theta("diff", *BOTH, "--html", "page.html", "HEAD~", "HEAD")
    page = (repository.root / "page.html").read_text()
    assert '<th scope="col" class="number">mean-absolute</th>' in page
    assert 'data-value="0.02"' in page


def test_rows_are_sorted_by_a_measure_which_is_measured_then(repository: Sandbox) -> None:
    found = json.loads(repository.theta("diff", "--json", "--sort", "sign-flips", "HEAD~", "HEAD").stdout)
    rows = found["checkpoints"][0]["parameters"]
    assert [row["name"] for row in rows] == ["c", "w", "step", "new"]  # which has none
    assert rows[0]["measures"]["further"] == {"sign-flips": 0.25}
    repository.git("config", "theta.measures", "mean-absolute")
    lines = repository.theta("diff", "--sort", "mean-absolute", "--limit", "1", "HEAD~", "HEAD", "-p", "[cw]").stdout
    assert "sign-flips" not in lines and "w" not in lines.split()


def test_a_picture_has_a_part_for_each(repository: Sandbox) -> None:
    pytest.importorskip("matplotlib")
    heights = []
    for arguments in ((), BOTH[:2], BOTH):
        repository.theta("diff", *arguments, "--png", "picture.png", "HEAD~", "HEAD")
        heights.append(int.from_bytes((repository.root / "picture.png").read_bytes()[20:24], "big"))
    assert heights == sorted(set(heights))


def test_a_map_has_a_line_for_each(repository: Sandbox) -> None:
    shown = repository.theta("map", *BOTH, "start", "side", "main", "--", MODEL).stdout
    lines = [line.split() for line in shown.splitlines()]
    at = next(place for place, line in enumerate(lines) if line[:3] == ["from", "the", "base"])
    # Of w and same 140,000 numbers, of c four: what is the same in all versions counts, and is not read.
    assert lines[at + 1] == ["sign-flips", "0%", "25.0%", "0.501%"]
    assert lines[at + 2] == ["mean-absolute", "0", "0.500", "0.0100"]


def test_a_map_for_programs_has_them_by_version(repository: Sandbox) -> None:
    done = repository.theta("map", "--json", *BOTH, "side", "main", "--", MODEL)
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads((SPEC / "map.schema.json").read_text()))
    side, main = (version["measures"] for version in found["versions"])
    assert side == {"sign-flips": 35_000 / 140_004, "mean-absolute": 70_000 / 140_004}
    assert main == {"sign-flips": 701 / 140_004, "mean-absolute": 1404 / 140_004}
    repository.theta("map", *BOTH, "--html", "page.html", "side", "main", "--", MODEL)
    assert '<th scope="col">sign-flips</th>' in (repository.root / "page.html").read_text()


def test_python_has_them_as_columns_of_frames(repository: Sandbox) -> None:
    names = ["sign-flips", "mean-absolute"]
    diff = gt.diff("HEAD~", "HEAD", MODEL, repo=repository.root, measures=names)
    [row] = (one for one in diff if one.name == "w")
    assert row.further == {"sign-flips": 0.01, "mean-absolute": 0.02}
    frame = diff.to_frame().set_index("name")
    assert frame.loc["w", "sign-flips"] == 0.01
    assert np.isnan(frame.loc["new", "sign-flips"])
    found = gt.map(["side", "main"], MODEL, repo=repository.root, measures=names)
    assert found.to_frame()["sign-flips"].tolist() == [35_000 / 140_004, 701 / 140_004]
    with pytest.raises(gt.errors.PluginError):
        gt.diff("HEAD~", "HEAD", MODEL, repo=repository.root, measures=["sign-flop"])


@pytest.mark.parametrize("form", ["--stat", "--name-only"])
def test_what_reads_no_values_measures_none(repository: Sandbox, form: str) -> None:
    done = repository.theta("diff", form, *BOTH, "HEAD~", "HEAD", check=False)
    assert (done.returncode, "read no values to measure" in done.stderr) == (2, True)


def test_an_unknown_name_says_what_there_is(repository: Sandbox) -> None:
    done = repository.theta("map", "--measure", "norm", "side", "main", "--", MODEL, check=False)
    assert done.returncode == 8
    assert "no measure is called 'norm' here" in done.stderr
    assert "Installed: sign-flips, mean-absolute." in done.stderr


PACKAGE = '''
from git_theta.diffing.measures.base import Measure

class Moved(Measure):
    """Counts what moved; and fails where something moved far."""
    name, summary, unit, api = "moved", "The share of values that moved.", "share", 1
    def terms(self, before, after):
        if len(before) and abs(after - before).max() > 2:
            raise ZeroDivisionError("too far")
        return [int((before != after).sum())]
    def value(self, sums, count):
        return sums[0] / count
'''
ENTRY = "[git_theta.plugins.measures]\nmoved = theta_moved:Moved\n"


def test_an_installed_package_brings_one(repository: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theta_moved.py").write_text(PACKAGE)
    python = make_interpreter(tmp_path / "home", "theta_moved", os.fspath(tmp_path / "theta_moved.py"), ENTRY)
    monkeypatch.setenv("PATH", os.pathsep.join([os.fspath(python.parent), os.environ["PATH"]]))
    repository.git("theta", "install", "--local", "--force")

    def ask(*args: str, code: int = 0) -> str:
        done = repository.git("theta", *args, check=False)
        assert done.returncode == code, done.stderr
        return str(done.stdout)

    [row] = [one for one in json.loads(ask("plugins", "--json")) if one["name"] == "moved"]
    assert (row["family"], row["package"], row["state"]) == ("measures", "theta-moved", "ok")
    assert "moved" in ask("diff", "--measure", "moved", "HEAD~", "HEAD", "-p", "w")
    # One parameter for which it fails is named, with the package; all others are measured.
    told = ask("diff", "--measure", "moved", "HEAD~", "HEAD", code=2)
    assert "the measure 'moved' of theta-moved 1.0 failed: ZeroDivisionError: too far" in told
    assert "1.00%" in told
