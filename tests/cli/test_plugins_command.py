"""`git theta plugins`: what is installed, and whether the filter can use it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from git_theta import __version__
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.text import decode_manifest
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox
from tests.test_registry import FORMAT, install

PACKAGES = {
    "raising": "raise RuntimeError('half installed')\n",
    "ending": "import os, sys\nprint('bye', file=sys.stderr, flush=True)\nos._exit(9)\n",
    "printing": f"print('hello')\n{FORMAT.replace('fake', 'printing').replace('FAKE', 'PRINT')}",
    "newer": f"{FORMAT.replace('fake', 'newer')}    api = 2\n",
    "unwanted": f"{FORMAT.replace('fake', 'unwanted')}",
    "strange": f"{FORMAT.replace('fake', 'strange')}    pass\n",
}
"""A format in each, of the package's name."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has git-theta, and these packages."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source.py"
    source.write_text(FORMAT)
    made = make_interpreter(folder, "fine", str(source), "[git_theta.plugins.formats]\nfake = fine:Fake\n")
    (site,) = folder.glob("venv/lib/python*/site-packages")
    for package, module in PACKAGES.items():
        family = "flavours" if package == "strange" else "formats"
        install(site, package, f"[git_theta.plugins.{family}]\n{package} = {package}:Fake\n", module)
    return made


@pytest.fixture
def sandbox(python: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    """A repository whose filter is that interpreter's."""
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    made = Sandbox.create(tmp_path / "repository", install=False)
    made.theta("install", "--local")
    made.git("config", "theta.plugins.disable", "formats:unwanted")
    return made


def test_each_state_is_told_with_its_reason(sandbox: Sandbox, python: Path) -> None:
    done = sandbox.theta("plugins", "--json", check=False)
    assert done.returncode == 8
    rows = {(row["family"], row["name"]): row for row in json.loads(done.stdout)}
    ours = {(family, name) for family, names in BUILT_IN.items() for name in names}
    assert {rows[one]["state"] for one in ours} == {"ok"}
    assert {(rows[one]["package"], rows[one]["version"]) for one in ours} == {("git-theta", __version__)}
    others = {name: row for (family, name), row in rows.items() if (family, name) not in ours}
    assert {name: row["state"] for name, row in others.items()} == {
        "fake": "ok", "printing": "ok", "raising": "broken", "ending": "broken", "newer": "newer",
        "unwanted": "disabled", "strange": "broken",
    }  # fmt: skip
    assert (others["fake"]["package"], others["fake"]["version"]) == ("fine", "1.0")
    assert "cannot be loaded: RuntimeError: half installed" in others["raising"]["reason"]
    assert others["ending"]["reason"] == "it ends the process that imports it: exit status 9, bye"
    assert "uninstall ending" in others["ending"]["hint"]
    assert "written for version 2 of the seams" in others["newer"]["reason"]
    assert others["newer"]["hint"] == f"Upgrade git-theta: {python} -m pip install --upgrade git-theta"
    assert "no family of plug-ins that is called 'flavours'" in others["strange"]["reason"]
    shown = sandbox.theta("plugins", check=False)
    assert re.search(r"^formats +unwanted +unwanted 1\.0 +disabled$", shown.stdout, re.M)
    assert "hello" not in shown.stdout


def test_what_lies_on_pythonpath_or_in_the_user_site_is_not_seen(
    sandbox: Sandbox, python: Path, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere"
    install(path, "onpath", "[git_theta.plugins.updates]\nonpath = onpath:Fake\n", FORMAT)
    ask = "import site; print(site.getusersitepackages())"
    user = Path(subprocess.check_output([python, "-c", ask], text=True).strip())
    install(user, "ofuser", "[git_theta.plugins.merges]\nofuser = ofuser:Fake\n", FORMAT)
    # A venv has no user site: say the folder, as Python would add it elsewhere.
    env = {"PYTHONPATH": os.pathsep.join(map(os.fspath, (path, user)))}
    rows = {row["name"]: row for row in json.loads(sandbox.theta("plugins", "--json", env=env, check=False).stdout)}
    assert (rows["onpath"]["state"], rows["ofuser"]["state"]) == ("unseen", "unseen")
    assert rows["onpath"]["reason"] == (
        f"not seen by the filter: it lies in {path} (PYTHONPATH, or a folder that Python was started in)"
    )
    assert rows["ofuser"]["reason"] == f"not seen by the filter: it lies in {user} (the user site)"
    assert "-m pip install ofuser" in rows["ofuser"]["hint"]


def formats(sandbox: Sandbox, *paths: str) -> list[str]:
    """The formats of files that are added now."""
    sandbox.git("add", *paths)
    return [decode_manifest(sandbox.git("cat-file", "blob", f":{path}").stdout.encode()).format for path in paths]


def test_a_package_that_comes_or_goes_is_seen_at_once(sandbox: Sandbox, python: Path) -> None:
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    sandbox.git("config", "--add", "theta.plugins.disable", "ending")  # or no file of unknown formats could be added
    sandbox.theta("track", "*.late")
    for path in ("a.late", "b.late"):
        sandbox.write(path, b"LATE and more, in " + path.encode())
    module = FORMAT.replace("FAKE", "LATE").replace('"fake"', '"late"')
    install(site, "late", "[git_theta.plugins.formats]\nlate = late:Fake\n", module)
    assert formats(sandbox, "a.late") == ["late"]
    (site / "late-1.0.dist-info").rename(site / "gone")
    assert formats(sandbox, "b.late") == ["opaque"]


def test_what_is_disabled_is_not_used(sandbox: Sandbox) -> None:
    sandbox.git("config", "--add", "theta.plugins.disable", "ending, other")
    sandbox.theta("track", "*.fake")
    for path in ("a.fake", "b.fake"):
        sandbox.write(path, b"FAKE and more, in " + path.encode())
    assert formats(sandbox, "a.fake") == ["fake"]
    sandbox.git("config", "--global", "theta.plugins.disable", "fake")
    assert formats(sandbox, "b.fake") == ["opaque"]
    rows = json.loads(sandbox.theta("plugins", "--json", check=False).stdout)
    assert {row["name"] for row in rows if row["state"] == "disabled"} == {"ending", "fake", "unwanted"}


def test_what_is_disabled_in_vain_is_told(sandbox: Sandbox) -> None:
    sandbox.git("config", "--add", "theta.plugins.disable", "unwonted, formats:hdf5")
    unknown = "theta.plugins.disable names unwonted, and no plug-in is called so"
    ours = "theta.plugins.disable names formats:hdf5, which ships with git-theta and stays in use"
    said = sandbox.theta("plugins", check=False).stderr
    assert unknown in said and ours in said
    assert "unwanted" not in said
    assert "git config --show-origin --get-all theta.plugins.disable" in said
    checks = sandbox.theta("doctor", check=False)
    assert unknown in checks.stdout + checks.stderr


def test_an_interpreter_that_cannot_list_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    old.chmod(0o755)
    process = sandbox.git("config", "filter.theta.process").stdout.strip()
    sandbox.git("config", "filter.theta.process", process.replace(process.split(" ")[0], os.fspath(old)))
    done = sandbox.theta("plugins", check=False)
    assert done.returncode == 8
    assert f"interpreter {old} cannot list its plug-ins: exit status 1, no such module" in done.stderr
