"""``git theta strategies``: what is installed, from its declarations."""

from __future__ import annotations

import json
from pathlib import Path

from git_theta import known_plugins
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox


def test_all_are_listed_with_what_they_compute(sandbox: Sandbox) -> None:
    lines = sandbox.theta("strategies").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(known_plugins.BUILT_IN["merges"])
    assert "ties             Trim task vectors to the largest magnitudes" in "\n".join(lines)


def test_one_is_told_with_its_options(sandbox: Sandbox) -> None:
    printed = sandbox.theta("strategies", "ties").stdout
    assert "Source:  " in printed
    assert "Package: git-theta " in printed
    assert "Needs:   2 or more heads, weighted or not, the merge base, numbers of one dtype and shape\n" in printed
    assert "-o density    a number in (0, 1]; 0.2 by default\n" in printed
    assert "majority; positive by default" in printed


def test_what_more_there_is_to_know_is_printed_in_its_lines(sandbox: Sandbox) -> None:
    [wudi] = json.loads(sandbox.theta("strategies", "wudi", "--json").stdout)
    assert "\n" in wudi["details"]
    assert sandbox.theta("strategies", "wudi").stdout.endswith(f"\n\n{wudi['details']}\n")


def test_json_has_everything(sandbox: Sandbox) -> None:
    found = json.loads(sandbox.theta("strategies", "--json").stdout)
    assert [one["name"] for one in found] == list(known_plugins.BUILT_IN["merges"])
    [ties] = json.loads(sandbox.theta("strategies", "ties", "--json").stdout)
    assert ties in found
    options = {option["name"]: option for option in ties["options"]}
    assert options["density"]["default"] == 0.2
    assert (options["density"]["kind"], options["density"]["within"]) == ("number", "(0, 1]")
    assert (options["density"]["range"], options["density"]["scale"]) == ([0.05, 1.0], "log")
    assert (options["normalize"]["range"], options["normalize"]["scale"]) == (None, None)
    assert options["zero_sign"]["choices"] == ["positive", "majority"]
    assert {one["name"] for one in found if not one["exact"]} == {"iso-c", "tsv-m", "wudi"}
    assert (ties["heads"], ties["needs_base"]) == ({"fewest": 2, "most": None}, True)


def test_a_name_that_is_none_is_told_with_the_closest(sandbox: Sandbox) -> None:
    done = sandbox.theta("strategies", "tise", check=False)
    assert done.returncode == 2
    assert "Did you mean 'ties'" in done.stderr


_PLUGIN = """
from git_theta.merging.base import Strategy

class Middle(Strategy):
    def merge(self, contest):
        raise NotImplementedError

MIDDLE = Middle("middle", "The tensor in the middle.", "A test.")
"""


def test_those_of_other_packages_stand_behind_ours_and_a_broken_one_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(_PLUGIN)
    points = "[git_theta.plugins.merges]\nmiddle = my_merges:MIDDLE\nbroken = my_merges:NOTHING\n"
    python = make_interpreter(tmp_path, "my_merges", str(tmp_path / "source.py"), points)
    done = sandbox.run(python.parent / "git-theta", "strategies", "--json")
    middle = json.loads(done.stdout)[-1]
    assert (middle["name"], middle["package"], middle["version"]) == ("middle", "my-merges", "1.0")
    assert "warning: " in done.stderr and "broken" in done.stderr
