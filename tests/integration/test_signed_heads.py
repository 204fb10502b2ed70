"""Merges take no head that is not signed where Git is told so (``merge.verifySignatures``)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.three_branches import BASE, added, branch, everything, on_main, parents, started
from tests.sandbox import Sandbox

pytestmark = pytest.mark.forked

HEADS = pytest.mark.parametrize("heads", [["a"], ["a", "b"]], ids=["two heads", "three heads"])
needs_keys = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")


@pytest.fixture(params=[True, False], ids=["checkpoints differ", "notes differ"])
def repository(sandbox: Sandbox, request: pytest.FixtureRequest) -> Sandbox:
    started(sandbox)
    for name in ("a", "b"):
        trained = added(BASE, **{f"{name}__weight": 1.0}) if request.param else BASE
        branch(sandbox, name, trained, note={"a": b"one\n\n\n\n\na\n", "b": b"b\n\n\n\n\ntwo\n"}[name])
    on_main(sandbox, added(BASE, a__bias=1))
    sandbox.git("config", "merge.verifySignatures", "true")
    return sandbox


def sign(repository: Sandbox, heads: list[str], folder: Path, *, trusted: bool) -> None:
    """Sign what these branches end with."""
    key, signers = folder / "key", folder / "signers"
    repository.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    signers.write_text(f"author@example.com {key.with_suffix('.pub').read_text()}" if trusted else "")
    for setting, value in (("format", "ssh"), ("ssh.allowedSignersFile", signers)):
        repository.git("config", f"gpg.{setting}", value)
    repository.git("config", "user.signingKey", key)
    for head in heads:
        repository.git("switch", "-q", head)
        repository.git("commit", "-q", "-S", "--amend", "--no-edit")
    repository.git("switch", "-q", "main")


@HEADS
def test_a_head_without_a_signature_is_refused(repository: Sandbox, heads: list[str]) -> None:
    before = everything(repository)
    done = repository.theta("merge", *heads, check=False)
    assert (done.returncode, "a: its commit has no signature" in done.stderr) == (2, True)
    assert everything(repository) == before


@needs_keys
def test_so_is_one_whose_key_nobody_vouches_for(repository: Sandbox, tmp_path: Path) -> None:
    sign(repository, ["a"], tmp_path, trusted=False)
    assert "a: its commit has no signature" in repository.theta("merge", "a", check=False).stderr


@needs_keys
@HEADS
def test_signed_heads_are_merged(repository: Sandbox, heads: list[str], tmp_path: Path) -> None:
    sign(repository, heads, tmp_path, trusted=True)
    repository.theta("merge", *heads)
    assert len(parents(repository)) == 1 + len(heads)
