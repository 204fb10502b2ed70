"""``git theta env``: what a bug report needs, and nothing secret."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from git_theta.words import pluralize
from tests.docs.test_command_reference import REFERENCE
from tests.sandbox import Sandbox, model

pytestmark = pytest.mark.genuine


def test_versions_paths_and_configuration(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", model(0, weight=(300, 300)))
    sandbox.commit()
    found = json.loads(sandbox.theta("env", "--json").stdout)
    assert sandbox.git("--version").stdout == f"git version {found['versions']['git']}\n"
    assert {"git-theta", "numpy", "sqlite", "backports.zstd"} <= found["versions"].keys()
    assert found["filter"]["filter.theta.required"] == "true"
    assert found["repository"]["worktree"] == str(sandbox.root)
    store = found["repository"]["store"]
    files = [path for path in (sandbox.root / ".git/theta/objects").rglob("*") if path.is_file()]
    assert (store["objects"], store["size"]) == (len(files), sum(path.stat().st_size for path in files))
    assert found["plugins"]["serializers"]["planes"] == "git_theta.serializers.planes:PlanesSerializer"
    printed = sandbox.theta("env").stdout
    assert f"  executable: {found['python']['executable']}\n" in printed
    assert f"    objects: {pluralize(len(files), 'object')}\n" in printed


def test_every_variable_and_key_of_the_reference_is_there(sandbox: Sandbox) -> None:
    page = (REFERENCE / "configuration.md").read_text()
    variables = re.findall(r"^\| `(GIT_THETA_\w+)` \|", page, re.MULTILINE)
    keys = re.findall(r"^\| `(theta\.(?!eval|remote)[a-zA-Z.]+)` \|", page, re.MULTILINE)
    assert "GIT_THETA_STRATEGY" in variables
    assert {"theta.merge.option", "theta.merge.maxSide"} <= set(keys)
    for key in keys:
        sandbox.git("config", "--add", key, "one")
        sandbox.git("config", "--add", key, "two")
    found = json.loads(sandbox.theta("env", "--json", env=dict.fromkeys(variables, "0")).stdout)
    assert dict.fromkeys(variables, "0").items() <= found["environment"].items()
    said = found["merge"] | found["storage"] | found["measures"] | found["disabled"]
    assert said == {key: ["one", "two"] for key in keys}


CLEANED = {
    "https://me:s3cret@host.example/repo.git": "https://host.example/repo.git",
    "https://s3cret@host.example/repo.git?token=s3cret#s3cret": "https://host.example/repo.git",
    "https://me:s3c@ret@host.example/a@b.git": "https://host.example/a@b.git",
    "s3cret@host.example:repo.git": "host.example:repo.git",
    "/srv/a folder/with@sign.git": "/srv/a folder/with@sign.git",
    "../up:to@date": "../up:to@date",
}
"""The URL of a remote, and what is shown of it."""


def test_credentials_are_taken_out(sandbox: Sandbox) -> None:
    for number, url in enumerate(CLEANED):
        sandbox.git("remote", "add", f"remote{number}", url)
    assert "s3c" not in sandbox.theta("env").stdout
    told = sandbox.theta("env", "--json").stdout
    assert "s3c" not in told
    shown = {f"remote{number}": url for number, url in enumerate(CLEANED.values())}
    assert json.loads(told)["repository"]["remotes"] == shown


def test_a_password_that_insteadof_puts_into_a_url_is_taken_out(sandbox: Sandbox) -> None:
    sandbox.git("config", "url.https://me:s3cret@host.example/.insteadOf", "host:")
    sandbox.git("remote", "add", "origin", "host:repo.git")
    assert "s3cret" not in sandbox.theta("env").stdout


def test_which_transport_each_remote_gets_and_why(sandbox: Sandbox) -> None:
    for name, url in (("a", "/srv/a.git"), ("b", "https://me:s3cret@host/b.git"), ("c", "host:c"), ("d", "gopher://d")):
        sandbox.git("remote", "add", name, url)
    sandbox.git("remote", "set-url", "--push", "a", "git://host/a")
    sandbox.git("config", "remote.b.lfsurl", "https://me:s3cret@lfs.example/b")
    sandbox.git("config", "theta.remote.c.transport", "git")
    found = json.loads(sandbox.theta("env", "--json").stdout)["repository"]["transports"]
    assert found == {
        "a": {"fetch": "directory /srv/a.git (its URL)", "push": "git git://host/a (its URL)"},
        "b": dict.fromkeys(("fetch", "push"), "lfs https://lfs.example/b (remote.b.lfsurl)"),
        "c": dict.fromkeys(("fetch", "push"), "git host:c (theta.remote.c.transport)"),
        "d": dict.fromkeys(("fetch", "push"), "none: objects do not go through gopher"),
    }
    assert "      fetch: git host:c (theta.remote.c.transport)\n" in sandbox.theta("env").stdout


def test_outside_of_a_repository(tmp_path: Path) -> None:
    found = json.loads(Sandbox(tmp_path).theta("env", "--json").stdout)
    assert found["repository"] is None
    assert found["python"]["version"] == ".".join(map(str, sys.version_info[:3]))


def test_it_imports_nothing_heavy(sandbox: Sandbox) -> None:
    program = (
        "import sys; from git_theta.cli.main import main; main(['env']); "
        "print(*sorted({'torch', 'numpy', 'rich'} & sys.modules.keys()), file=sys.stderr)"
    )
    assert sandbox.run(sys.executable, "-c", program).stderr == "\n"
