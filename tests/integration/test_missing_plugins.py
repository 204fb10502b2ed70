"""A clone whose git-theta lacks a plug-in: what needs it is named in every message, with the way out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.chained_versions import MODEL, commit_version, version
from tests.installed_plugins import ROOT
from tests.sandbox import Sandbox

LACKS = "no update is called 'difference' here"
pytestmark = pytest.mark.genuine  # what people are told names our interpreter

WAY_OUT = f"install that here, with {sys.executable} -m pip install PACKAGE"


@pytest.fixture
def shared(chaining: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Three versions that need an update of another package. From now on, `git theta` is one without it."""
    for number in range(3):
        commit_version(chaining, number)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    chaining.git("config", "--global", "--unset-all", "theta.updates")
    chaining.theta("install", "--global")
    return chaining


def test_a_clone_has_everything_else_and_is_told_what_it_lacks(shared: Sandbox, tmp_path: Path) -> None:
    done = shared.run("git", "clone", "-q", shared.root, tmp_path / "clone")
    assert f"warning: 1 file cannot be read here, whose manifests stand in the place: {MODEL}: {LACKS}" in done.stderr
    assert "needed by 2 parameters: embed, layer" in done.stderr
    assert WAY_OUT in done.stderr
    clone = Sandbox(tmp_path / "clone")
    assert clone.git("status", "--porcelain").stdout == ""
    assert clone.read(".gitattributes")

    status = clone.theta("status").stdout
    assert f"{MODEL}\tmissing objects\t48.1 kB\t0 of 3 objects here\tlacks the update 'difference'\n" in status
    assert "git theta doctor" in status
    [listed] = json.loads(clone.theta("status", "--json").stdout)["files"]
    assert listed["lacks"] == [{"family": "updates", "name": "difference"}]

    found = {one["check"]: one for one in json.loads(clone.theta("doctor", "--json", check=False).stdout)}
    assert found["needed plug-ins"]["state"] == "problem"
    assert found["needed plug-ins"]["text"] == f"{LACKS} (needed by {MODEL})"
    assert WAY_OUT in found["needed plug-ins"]["hint"]

    refused = clone.theta("checkout", check=False)
    assert refused.returncode == 8
    assert f"error: {MODEL}: {LACKS}; needed by 2 parameters: embed, layer" in refused.stderr
    assert WAY_OUT in refused.stderr


def test_a_switch_stops_and_fsck_says_what_it_could_not_check(shared: Sandbox) -> None:
    done = shared.git("switch", "-q", "--detach", "v1", check=False)
    assert done.returncode
    assert f"error: {MODEL}: {LACKS}" in done.stderr
    assert "GIT_THETA_SKIP_SMUDGE=1" in done.stderr
    assert shared.git("symbolic-ref", "HEAD").stdout == "refs/heads/main\n"
    checked = shared.theta("fsck", check=False)
    assert checked.returncode == 8
    assert checked.stdout.count(LACKS) == 2
    assert checked.stderr.count(WAY_OUT) == 1


def test_when_the_package_comes_the_file_does(
    shared: Sandbox, chaining_interpreter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.run("git", "clone", "-q", shared.root, tmp_path / "clone")
    monkeypatch.setenv("PATH", os.pathsep.join([str(chaining_interpreter.parent), os.environ["PATH"]]))
    clone = Sandbox(tmp_path / "clone")
    assert clone.theta("checkout").stdout == "1 file checked out, 48.1 kB\n"
    assert clone.read(MODEL) == version(2)
    assert json.loads(clone.theta("status", "--json").stdout)["files"][0]["lacks"] == []


def test_what_is_disabled_is_not_missing(
    shared: Sandbox, chaining_interpreter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(chaining_interpreter.parent), os.environ["PATH"]]))
    shared.theta("install", "--global")
    shared.git("config", "--global", "theta.plugins.disable", "updates:difference")
    done = shared.run("git", "clone", "-q", shared.root, tmp_path / "clone")
    assert "the update 'difference' of acme-updates 1.0 is disabled by theta.plugins.disable" in done.stderr
    assert "git config --show-origin --get-all theta.plugins.disable" in done.stderr


def test_a_policy_that_names_a_strategy_that_is_not_here(sandbox: Sandbox) -> None:
    sandbox.write(".theta.toml", b'[[merge]]\nstrategy = "acme"\n')
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, version(0))
    sandbox.commit()
    found = {one["check"]: one for one in json.loads(sandbox.theta("doctor", "--json", check=False).stdout)}
    assert found["needed plug-ins"]["state"] == "note"
    assert found["needed plug-ins"]["text"] == ("no strategy is called 'acme' here (needed by .theta.toml, rule 1)")
    assert WAY_OUT in found["needed plug-ins"]["hint"]
    sandbox.git("switch", "-qc", "theirs")
    sandbox.write(MODEL, version(1))
    sandbox.commit()
    sandbox.git("switch", "-q", "main")
    sandbox.write(MODEL, version(2))
    sandbox.commit()
    for command in (["theta", "merge", "theirs"], ["merge", "theirs"]):
        merged = sandbox.git(*command, check=False)
        assert merged.returncode
        assert "no strategy is called 'acme' here" in merged.stderr
        assert WAY_OUT in merged.stderr
        sandbox.git("merge", "--abort", check=False)


def test_a_format_of_a_package_that_we_know_is_named_with_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """git-theta-numpy's files come back without it; what changes in them is kept whole, and doctor says why."""
    from tests.integration.test_rogue_plugins import find_packages_in
    from tests.test_plugins import describe

    site = tmp_path / "site"
    describe(ROOT / "plugins/git-theta-numpy", site)
    (site / "git_theta_numpy").symlink_to(ROOT / "plugins/git-theta-numpy/git_theta_numpy")
    processes = sandbox.git("config", "filter.theta.process").stdout.strip()
    find_packages_in(site, sandbox)
    sandbox.theta("track", "*.npy")
    import numpy as np

    np.save(sandbox.root / "a.npy", np.arange(8, dtype="f4"))
    sandbox.commit()
    sandbox.git("config", "filter.theta.process", processes)
    found = {one["check"]: one for one in json.loads(sandbox.theta("doctor", "--json", check=False).stdout)}
    assert found["needed plug-ins"]["state"] == "note"
    assert found["needed plug-ins"]["text"] == "no format is called 'numpy' here (needed by a.npy)"
    assert (
        f"It comes with git-theta-numpy: {sys.executable} -m pip install git-theta-numpy"
        in (found["needed plug-ins"]["hint"])
    )
