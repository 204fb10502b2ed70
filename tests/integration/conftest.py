"""A repository with a history to move about in, small or large, in either of Git's hash formats; and one on a host."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_server import name_launchers
from tests.integration.checkpoint_history import History, versions
from tests.integration.shared_model import PASSWORD, SharedModel, copy_published, publish_history
from tests.sandbox import Sandbox
from tests.servers.git_http import GitHost


@pytest.fixture(scope="session")
def installation(sealed_session: None, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What `git theta install` makes of a user's configuration."""
    Sandbox(tmp_path_factory.mktemp("outside")).theta("install")
    return Path(os.environ["GIT_CONFIG_GLOBAL"]).read_bytes()


@pytest.fixture
def installed(installation: bytes, home: Path) -> Path:
    """git-theta installed for this test's user, so that clones have the filter too; returns the home."""
    (home / ".gitconfig").write_text(name_launchers(installation.decode()))
    return home


@pytest.fixture(params=[("small", "sha256"), ("large", "sha1")], ids="-".join)
def history(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> History:
    """Three commits of ``model.safetensors``, each beside a text file; the last one is checked out.

    Small ones are smudged inline; large ones are written when Git has hung up.
    """
    size, object_format = request.param
    return History.create(tmp_path / "repository", versions(size), object_format)


@pytest.fixture(scope="session")
def git_host(sealed_session: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    """A host that all stories of this process share, each with a repository of its own."""
    with GitHost(tmp_path_factory.mktemp("host"), PASSWORD) as host:
        yield host


@pytest.fixture(scope="session")
def published(git_host: GitHost, installation: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three commits of a small checkpoint, which were pushed."""
    return publish_history(git_host, tmp_path_factory.mktemp("published"), installation)


@pytest.fixture(scope="session")
def repository_names() -> Iterator[str]:
    """Names for repositories on the host."""
    return (f"{number}.git" for number in itertools.count())


@pytest.fixture
def shared(
    published: Path, git_host: GitHost, repository_names: Iterator[str], installed: Path, tmp_path: Path
) -> SharedModel:
    """A small checkpoint on a host, and Alice's clone of it."""
    return copy_published(published, git_host, next(repository_names), installed, tmp_path)
