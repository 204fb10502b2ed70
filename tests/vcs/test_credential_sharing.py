"""What one Git process was let in with, the next one knows, and nobody afterwards."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from git_theta.vcs.credential_sharing import share_credentials
from tests.sandbox import Sandbox

PLACE = "protocol=https\nhost=git.example\n"
PASSWORD = "s3cret=/: word"


def tell_git(verb: str, description: str) -> dict[str, str]:
    """What ``git credential VERB`` answers; nothing where it knows nothing."""
    done = subprocess.run(["git", "credential", verb], input=f"{description}\n", capture_output=True, text=True)
    return dict(line.partition("=")[::2] for line in done.stdout.splitlines())


@pytest.fixture(params=["short", "long" * 30])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of a name that a socket's address has room for, or has not."""
    made = tmp_path / str(request.param)
    made.mkdir()
    return made


def test_what_was_accepted_is_known_until_the_end(folder: Path) -> None:
    before = dict(os.environ)
    with share_credentials(folder):
        assert tell_git("fill", PLACE) == {}
        tell_git("approve", f"{PLACE}username=me\npassword={PASSWORD}\n")
        assert tell_git("fill", PLACE)["password"] == PASSWORD
        assert tell_git("fill", f"{PLACE}username=me\n")["password"] == PASSWORD
        assert tell_git("fill", f"{PLACE}username=you\n") == {}
        assert tell_git("fill", PLACE.replace("https", "http")) == {}
        [file] = folder.rglob("socket")
        assert file.is_socket()
        tell_git("approve", f"{PLACE}username=me\npassword=newer\n")
        assert tell_git("fill", PLACE)["password"] == "newer"
        tell_git("reject", f"{PLACE}username=me\npassword=newer\n")
        assert tell_git("fill", PLACE) == {}
        tell_git("approve", f"{PLACE}username=me\npassword={PASSWORD}\n")
    assert tell_git("fill", PLACE) == {}
    assert list(folder.iterdir()) == []
    assert dict(os.environ) == before


def test_helpers_of_the_persons_own_come_first(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)
    sandbox.git("config", "credential.helper", "!f() { test $1 = get && echo username=me && echo password=mine; }; f")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "theta.test")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "kept")
    with share_credentials(folder):
        tell_git("approve", f"{PLACE}username=you\npassword=yours\n")
        assert tell_git("fill", PLACE)["password"] == "mine"
        assert sandbox.git("config", "theta.test").stdout == "kept\n"
    assert os.environ["GIT_CONFIG_COUNT"] == "1"


def test_where_there_is_no_folder_everybody_is_asked_as_ever(tmp_path: Path) -> None:
    with share_credentials(tmp_path / "nowhere"):
        assert "GIT_CONFIG_COUNT" not in os.environ
