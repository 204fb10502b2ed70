"""What the API gives, handed to other processes: a fresh Python that knows nothing of how it was opened."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import git_theta
from git_theta.errors import ChangedFile
from tests.api.api_repositories import FILE, two_versions, values_of
from tests.sandbox import Sandbox, model

_READ = """
import pickle, sys
found = pickle.load(sys.stdin.buffer)
pickle.dump(found.load() if hasattr(found, "load") else found.numpy(), sys.stdout.buffer)
"""


def read_elsewhere(found: object) -> Any:
    """What a process of its own, in another folder, reads of it."""
    command, handed = [sys.executable, "-c", _READ], pickle.dumps(found)
    return pickle.loads(subprocess.run(command, input=handed, stdout=subprocess.PIPE, check=True, cwd="/").stdout)


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize("revision", ["v1.0", None])
def test_another_process_reads_the_same(sandbox: Sandbox, revision: str | None, read_before: bool) -> None:
    values = values_of(two_versions(sandbox)[0])
    opened = git_theta.open(FILE, revision, sandbox.root)
    if read_before:
        opened.load()
    assert read_elsewhere(opened).keys() == values.keys()
    for name, value in values.items():
        assert np.array_equal(read_elsewhere(opened[name]), value)


def test_so_it_does_of_a_file_that_git_holds_as_it_is(sandbox: Sandbox) -> None:
    content = model(3)
    sandbox.write(FILE, content)
    sandbox.commit("A checkpoint that is not tracked")
    values, opened = values_of(content), git_theta.open(FILE, "HEAD", sandbox.root)
    for name, found in read_elsewhere(opened).items():
        assert np.array_equal(found, values.pop(name))
    assert not values


def test_a_file_that_was_written_to_since_is_not_taken_for_it(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    handed = pickle.dumps(git_theta.open(FILE, repo=sandbox.root))
    sandbox.write(FILE, model(9))
    with pytest.raises(ChangedFile, match="written to since"):
        pickle.loads(handed)
    (sandbox.root / FILE).unlink()
    with pytest.raises(ChangedFile, match="went away"):
        pickle.loads(handed)


def test_a_difference_is_handed_on_with_its_rows(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    found = git_theta.diff("v1.0", "dev", repo=sandbox.root)
    again = pickle.loads(pickle.dumps(found))
    assert list(again) == list(found)
    assert again.html() == found.html()
