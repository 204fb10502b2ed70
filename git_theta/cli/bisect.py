"""``git theta bisect``: the first version of a checkpoint for which a command fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.log import render_commit
from git_theta.cli.pager import uses_color
from git_theta.cli.progress import Meter
from git_theta.errors import UsageError
from git_theta.repository.history.bisecting import Bisection, BisectRequest, BisectVerdict, VersionTest, find_first_bad
from git_theta.repository.history.version_history import commit_json
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.commits import describe_commits
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.revisions import OID_DIGITS
from git_theta.words import pluralize

PATH_VARIABLE, COMMIT_VARIABLE = "THETA_CHECKPOINT", "THETA_COMMIT"
_SKIP = 125
_NOT_RUN = (126, 127)
"""What a shell exits with that cannot run, or find, the command."""
_LAST_BAD = 127
_UNCLEAR = 1
_NOTHING_PASSES = "A command that fails for another reason fails for all: try it on a version that is known to pass."


@click.command
@click.option("--run", "script", required=True, metavar="CMD", help='The test, a line of sh; "$1" is the checkpoint.')
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Versions of these parameters alone.")
@click.option("--good", "goods", multiple=True, metavar="REV", help="A version that passes; can be repeated.")
@click.option("--bad", default="", metavar="REV", help="A version that fails; HEAD by default, which is tested first.")
@json_option
@click.argument("path", metavar="PATH")
def command(script: str, as_json: bool, **asked: Any) -> int:
    """Find the first version of a checkpoint that fails a test.

    PATH is its file, the index of its shards, or a folder. Each version that is tested is restored into a temporary
    folder: "$1" and $THETA_CHECKPOINT are the file there, or the folder of shards; $THETA_COMMIT is the commit. As for
    `git bisect run`, exit code 0 means good, 125 skip, 1 to 127 bad; any other ends it. The worktree is left alone.

    \b
        git theta bisect --good v1.0 --run 'python eval.py "$1"' model.pt
    """  # noqa: D301
    test = _CommandTest(script, quiet=as_json)
    with open_context(discover_repository(), boundary.warn, Meter()) as context:
        found = find_first_bad(BisectRequest(**asked), test.run, discover_repository(), context, _show_test)
    if BisectVerdict.GOOD not in {one.verdict for one in found.tests}:
        boundary.warn("no version that was tested passed", hint=_NOTHING_PASSES)
    commits = describe_commits(found.candidates)
    if as_json:
        echo_json(_bisection_json(found, commit_json(commits[found.first_bad]) if found.first_bad else None))
    elif found.first_bad:
        echo_line(f"{found.first_bad} is the first bad version of {found.path}")
        for line in render_commit(commits[found.first_bad], color=uses_color()):
            echo_line(line)
    else:
        echo_line("Only skipped versions are left to test. The first bad one may be any of:")
        for oid in found.candidates:
            echo_line(f"{oid} {commits[oid].subject}")
    return 0 if found.first_bad else _UNCLEAR


class _CommandTest:
    """The command of a person, run on one version after the other.

    Args:
        script: for ``sh -c``.
        quiet: whether what it prints must not get among ours.
    """

    def __init__(self, script: str, *, quiet: bool) -> None:
        self._script, self._quiet = script, quiet
        self._has_passed = False

    def run(self, commit: str, checkpoint: Path) -> BisectVerdict:
        """What its exit code says. Raises UsageError where that ends the search."""
        sys.stdout.flush()
        code = subprocess.run(
            ["sh", "-c", self._script, "sh", checkpoint],
            env={**os.environ, PATH_VARIABLE: os.fspath(checkpoint), COMMIT_VARIABLE: commit},
            stdout=sys.stderr if self._quiet else None,
        ).returncode
        if not 0 <= code <= _LAST_BAD:
            how = f"exited {code}" if code > 0 else f"was ended by signal {-code}"
            raise UsageError(f"the command {how} at {commit[:OID_DIGITS]}", hint="Let it exit 0 to 127: 125 to skip.")
        if code in _NOT_RUN and not self._has_passed:
            raise UsageError(f"the command cannot be run: sh exited {code}", hint=f"It was: {self._script}")
        self._has_passed = self._has_passed or code not in _NOT_RUN
        return BisectVerdict.GOOD if code == 0 else BisectVerdict.SKIPPED if code == _SKIP else BisectVerdict.BAD


def _show_test(test: VersionTest, of: int) -> None:
    why = f", as {test.same_as[:OID_DIGITS]}" if test.same_as else f": {test.reason}" if test.reason else ""
    among = f" (one of {pluralize(of, 'version')})" if of > 1 else ""
    boundary.say(f"{test.commit[:OID_DIGITS]}: {test.verdict.value}{why}{among}")


def _bisection_json(found: Bisection, first_bad: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "path": found.path,
        "first_bad": first_bad,
        "candidates": list(found.candidates),
        "tests": [
            {
                "commit": test.commit,
                "verdict": test.verdict.value,
                "same_as": test.same_as or None,
                "reason": test.reason or None,
            }
            for test in found.tests
        ],
    }
