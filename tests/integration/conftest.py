"""A repository with a history to move about in, small or large, in either of Git's hash formats."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import History, versions
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def installation(sealed_session: None, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What `git theta install` makes of a user's configuration."""
    Sandbox(tmp_path_factory.mktemp("outside")).theta("install")
    return Path(os.environ["GIT_CONFIG_GLOBAL"]).read_bytes()


@pytest.fixture
def installed(installation: bytes, home: Path) -> Path:
    """git-theta installed for this test's user, so that clones have the filter too; returns the home."""
    (home / ".gitconfig").write_bytes(installation)
    return home


@pytest.fixture(params=[("small", "sha256"), ("large", "sha1")], ids="-".join)
def history(request: pytest.FixtureRequest, installed: Path, tmp_path: Path) -> History:
    """Three commits of ``model.safetensors``, each beside a text file; the last one is checked out.

    Small ones are smudged inline; large ones are written when Git has hung up.
    """
    size, object_format = request.param
    return History.create(tmp_path / "repository", versions(size), object_format)
