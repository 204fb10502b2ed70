"""A tag that is merged: the commit has it, signature and all, as by `git merge`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.test_contested_across import fork_twice
from tests.integration.three_branches import BASE, added, branch, on_main, parents, started
from tests.sandbox import Sandbox
from tests.sharded_checkpoints import sharded

pytestmark = [
    pytest.mark.forked,
    pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here"),
]


def sign_tag(sandbox: Sandbox, name: str, head: str, folder: Path) -> None:
    """A signed tag of a branch's end; whoever looks can verify it."""
    key, signers = folder / "key", folder / "signers"
    if not key.exists():
        sandbox.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        signers.write_text(f"author@example.com {key.with_suffix('.pub').read_text()}")
    for setting, value in (("gpg.format", "ssh"), ("gpg.ssh.allowedSignersFile", signers), ("user.signingKey", key)):
        sandbox.git("config", setting, value)
    sandbox.git("tag", "-s", "-m", f"the release {name}", name, head)


def merged_tags(sandbox: Sandbox) -> list[str]:
    """The names of the tags that HEAD has in its header, in their order."""
    header = sandbox.git("cat-file", "commit", "HEAD").stdout.split("\n\n")[0]
    assert header.count("mergetag object ") == header.count("\n tag ")
    return re.findall(r"^ tag (.*)", sandbox.git("cat-file", "commit", "HEAD").stdout, re.MULTILINE)


@pytest.mark.parametrize("heads", [["v1"], ["v1", "v2"], ["b", "v1"]], ids=["two-way", "two tags", "beside a branch"])
def test_a_signed_tag_is_in_the_commit(sandbox: Sandbox, heads: list[str], tmp_path: Path) -> None:
    started(sandbox)
    tips = [branch(sandbox, name, added(BASE, **{f"{name}__weight": 1.0})) for name in ("a", "b")]
    on_main(sandbox, added(BASE, a__bias=1))
    sign_tag(sandbox, "v1", "a", tmp_path)
    sign_tag(sandbox, "v2", "b", tmp_path)
    sandbox.theta("merge", *heads)
    named = {"v1": tips[0], "v2": tips[1], "b": tips[1]}
    assert parents(sandbox)[1:] == [named[head] for head in heads]
    assert merged_tags(sandbox) == [head for head in heads if head.startswith("v")]
    shown = sandbox.git("log", "-1", "--show-signature").stdout
    assert 'Good "git" signature for author@example.com' in shown


def test_so_it_is_with_several_merge_bases(sandbox: Sandbox, tmp_path: Path) -> None:
    fork_twice(sandbox, sharded("abc"), sharded("abc", a=1), sharded("abc", b=2))
    sign_tag(sandbox, "v1", "theirs", tmp_path)
    sandbox.theta("merge", "v1")
    assert merged_tags(sandbox) == ["v1"]


def test_so_it_is_where_a_strategy_settles_what_is_left(sandbox: Sandbox, tmp_path: Path) -> None:
    started(sandbox)
    branch(sandbox, "a", added(BASE, a__weight=1))
    on_main(sandbox, added(BASE, a__weight=2))
    sign_tag(sandbox, "v1", "a", tmp_path)
    assert sandbox.theta("merge", "v1", check=False).returncode == 1
    sandbox.theta("resolve", "-s", "average")
    sandbox.git("commit", "-q", "--no-edit")
    assert merged_tags(sandbox) == ["v1"]


def test_a_tag_that_nobody_signed_is_noted_as_by_git(sandbox: Sandbox) -> None:
    started(sandbox)
    branch(sandbox, "a", added(BASE, a__weight=1))
    on_main(sandbox, added(BASE, a__bias=1))
    sandbox.git("tag", "-a", "-m", "a note", "v1", "a")
    noted = []
    for command in (["merge"], ["theta", "merge"]):
        sandbox.git(*command, "--no-commit", "v1")
        noted.append([(sandbox.root / ".git" / name).read_text() for name in ("MERGE_HEAD", "MERGE_MSG")])
        if command == ["merge"]:
            sandbox.git("merge", "--abort")
    assert noted[0] == noted[1]
    sandbox.git("commit", "-q", "--no-edit")
    assert merged_tags(sandbox) == []
