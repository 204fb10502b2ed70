"""Which plug-ins there are, and whether they work where it counts: in the interpreter that Git's filter runs."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from git_theta.entry_points import DeclaredPlugin, scan_packages
from git_theta.errors import PluginError
from git_theta.known_plugins import BUILT_IN
from git_theta.registered_names import DISABLE_KEY, is_built_in
from git_theta.vcs.config import disabled_plugins, filter_interpreter
from git_theta.vcs.git import current_folder

PluginState = Literal["ok", "broken", "newer", "disabled", "unseen"]

_PROBE = "git_theta.cli.plugin_probe"
_PATIENCE = 120
"""Seconds within which all plug-ins are imported, torch among them."""


class PluginRow(NamedTuple):
    """A plug-in.

    Attributes:
        family: "formats", "merges" ...
        name: what it is registered as.
        package, version: what it came with.
        state: "ok"; "broken": it does not load; "newer": it is written for a later release; "disabled":
            ``theta.plugins.disable`` names it; "unseen": it lies where the filter does not look.
        reason: why it is not "ok".
        hint: what to do about it.
    """

    family: str
    name: str
    package: str
    version: str
    state: PluginState
    reason: str = ""
    hint: str = ""


def survey_plugins() -> list[PluginRow]:
    """Every plug-in with its state, ours first in each family: each is imported as the filter would.

    Raises PluginError where the filter's interpreter cannot be asked.
    """
    python = filter_interpreter()
    if not os.access(python, os.X_OK):  # not installed, or gone: `git theta doctor` says so
        python = sys.executable
    declared, answers = _ask_filter(python)
    rows = [
        PluginRow(one.family, one.name, one.package, one.version, **answer)
        for one, answer in zip(declared, answers, strict=True)
    ]
    known = {(one.family, one.name, one.folder) for one in declared}
    unseen = [
        one
        for one in scan_packages(sys.path)
        if not is_built_in(one) and (one.family, one.name, one.folder) not in known
    ]
    families = list(BUILT_IN)
    rows += [_describe_unseen(one, python) for one in unseen]
    return sorted(rows, key=lambda row: families.index(row.family) if row.family in families else len(families))


def describe_idle_words(rows: Sequence[PluginRow]) -> list[str]:
    """What ``theta.plugins.disable`` names in vain, in words: nothing is called so, or it ships with us."""
    names = {(row.family, row.name): row.state for row in rows}
    found = []
    for word in dict.fromkeys(disabled_plugins()):
        states = [state for (family, name), state in names.items() if word in (name, f"{family}:{name}")]
        if not states:
            found.append(f"{DISABLE_KEY} names {word}, and no plug-in is called so")
        elif "disabled" not in states:
            found.append(f"{DISABLE_KEY} names {word}, which ships with git-theta and stays in use")
    return found


def _ask_filter(python: str) -> tuple[list[DeclaredPlugin], list[dict[str, Any]]]:
    """What is declared there, and what became of importing each."""
    answers: list[dict[str, Any]] = []
    while True:
        lines, ending = _run_probe(python, len(answers))
        if not lines:
            raise PluginError(
                f"the filter's interpreter {python} cannot list its plug-ins: {ending}",
                hint="Run `git theta install` with the git-theta that you want to use.",
            )
        declared = [DeclaredPlugin(**fields) for fields in lines[0]]
        answers += lines[1:]
        if len(answers) >= len(declared):
            return declared, answers
        at_fault = declared[len(answers)]
        hint = f"Upgrade or uninstall {at_fault.package}: it stops every Git command that needs it."
        answers.append({"state": "broken", "reason": f"it ends the process that imports it: {ending}", "hint": hint})


def _run_probe(python: str, first: int) -> tuple[list[Any], str]:
    """The lines that the probe printed, beginning with a plug-in, and how it ended."""
    command = [python, "-I", "-m", _PROBE, str(first)]
    try:
        done = subprocess.run(
            command, cwd=current_folder(), stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired as expired:
        return _parse_lines(expired.stdout or b""), f"not done after {_PATIENCE} seconds"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return _parse_lines(done.stdout), f"exit status {done.returncode}" + (f", {said[-1]}" if said else "")


def _parse_lines(output: bytes) -> list[Any]:
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def _describe_unseen(plugin: DeclaredPlugin, python: str) -> PluginRow:
    is_of_user = plugin.folder == site.getusersitepackages()
    where = "the user site" if is_of_user else "PYTHONPATH, or a folder that Python was started in"
    return PluginRow(
        plugin.family,
        plugin.name,
        plugin.package,
        plugin.version,
        "unseen",
        f"not seen by the filter: it lies in {plugin.folder} ({where})",
        f"Install it where the filter looks: {python} -m pip install {plugin.package}",
    )
