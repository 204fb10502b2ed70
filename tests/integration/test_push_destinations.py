"""Wherever Git's configuration has a push go, by whatever words: a clone of what was pushed is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.integration.shared_model import needs_lfs
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.servers.git_http import GitHost

pytest.importorskip("obstore")
pytest.importorskip("cryptography")
from tests.transport.google_server import GoogleServer

pytestmark = [needs_lfs, pytest.mark.forked]
MODEL = "model.safetensors"


PLACES = ("directory", "lfs", "bucket")


class Places:
    """A person's repository with a remote for each kind of place.

    Attributes:
        person: the repository.
        urls: of the remotes, by their names.
        bucket: where objects of the remote of that name go.
    """

    def __init__(self, folder: Path, person: Sandbox, host: GitHost, bucket: str) -> None:
        self._folder, self.person, self.bucket = folder, person, bucket
        self._numbers = count(1)
        self.urls = {
            "directory": str(Sandbox.create(folder / "directory.git", install=False, bare=True).root),
            "lfs": host.create("lfs.git"),
            "bucket": str(Sandbox.create(folder / "bucket.git", install=False, bare=True).root),
        }

    def train(self) -> None:
        """Commit another version."""
        content = changed(self.person.read(MODEL), "weight", at=next(self._numbers))
        self.person.write(MODEL, content)
        self.person.commit("trained")

    def push(self, *words: str) -> str:
        """Push a new version; what was said."""
        self.train()
        return self.person.git("push", *words).stderr

    def assert_whole(self, name: str) -> None:
        """A new clone of what is there has the version that the person has."""
        placed = ["-c", f"theta.remote.origin.url={self.bucket}"] if name == "bucket" else []
        place = self._folder / f"clone{next(self._numbers)}"
        clone = Sandbox.clone(self.urls[name], place, "--branch", "main", *placed)
        assert clone.read(MODEL) == self.person.read(MODEL)
        assert clone.git("status", "--porcelain").stdout == ""


@pytest.fixture
def places(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    sandbox.theta("install", "--global")
    track_and_commit(sandbox, {MODEL: model(0, weight=(300, 300), bias=30)})
    (tmp_path / "host").mkdir()
    with GoogleServer() as google, GitHost(tmp_path / "host") as host:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", os.fspath(google.write_account(tmp_path)))
        monkeypatch.setenv("GOOGLE_BASE_URL", google.url)
        made = Places(tmp_path, sandbox, host, f"gs://{google.make_bucket('of the team')}/models")
        for name, url in made.urls.items():
            sandbox.git("remote", "add", name, url)
        sandbox.git("config", "theta.remote.bucket.url", made.bucket)
        yield made


def test_by_names_and_by_what_is_configured_of_branches(places: Places) -> None:
    for name in PLACES:
        places.push(name, "main")
        places.assert_whole(name)
    places.person.git("config", "push.default", "current")
    for key, name in (("remote.pushDefault", "bucket"), ("branch.main.pushRemote", "lfs")):
        places.person.git("config", key, name)
        places.push()
        places.assert_whole(name)


def test_by_urls(places: Places) -> None:
    """What is configured of the remote at a URL counts for the URL: who fetches looks for objects there."""
    for name in PLACES:
        places.push(places.urls[name], "main")
        places.assert_whole(name)
    places.train()
    places.person.theta("push", places.urls["bucket"])
    places.person.git("push", "--no-verify", "bucket", "main")
    places.assert_whole("bucket")


def test_a_fetch_by_url_is_from_where_the_objects_of_that_remote_are(places: Places, tmp_path: Path) -> None:
    places.push("bucket", "main")
    clone = Sandbox.clone(places.urls["bucket"], tmp_path / "clone", "--no-checkout", "-o", "bucket")
    clone.git("config", "theta.remote.bucket.url", places.bucket)
    assert "0 objects" not in clone.theta("fetch", places.urls["bucket"]).stdout


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
def test_by_shortened_urls(places: Places, key: str) -> None:
    for name in PLACES:
        base, _, last = places.urls[name].rpartition("/")
        places.person.git("config", f"url.{base}/.{key}", f"{name}:")
        places.person.git("remote", "set-url", name, f"{name}:{last}")
        places.push(name, "main")
        places.assert_whole(name)
        places.push(f"{name}:{last}", "main")
        places.assert_whole(name)


def test_two_urls_of_one_remote(places: Places) -> None:
    places.push("directory", "main")
    for name in ("directory", "lfs"):
        places.person.git("remote", "set-url", "--add", "--push", "directory", places.urls[name])
    for words in (["main"], ["--all"], ["--tags", "main"], ["--atomic", "main"]):
        places.push("-q", "directory", *words)
        places.assert_whole("directory")
        places.assert_whole("lfs")


def test_a_remote_that_was_renamed_without_its_place_is_told_of(places: Places) -> None:
    said = places.push("bucket", "main")
    assert "no remote is called so" not in said
    places.person.git("remote", "rename", "bucket", "team/bucket")
    said = places.push("team/bucket", "main")
    assert "it is configured where the objects of bucket go, and no remote is called so" in said
    words = "config --rename-section theta.remote.bucket theta.remote.team/bucket"
    assert f"git {words}" in said
    places.person.git(*words.split())
    assert "no remote is called so" not in places.push("team/bucket", "main")
    places.assert_whole("bucket")
