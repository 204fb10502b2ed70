"""``import git_theta``: everything is there, and nothing is loaded."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import git_theta


def test_everything_is_in_dir_and_can_be_had() -> None:
    assert set(git_theta.__all__) <= set(dir(git_theta))
    assert all(getattr(git_theta, name) is not None for name in git_theta.__all__)
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        git_theta.no_such  # type: ignore[attr-defined]  # noqa: B018


def test_dir_loads_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import git_theta; dir(git_theta)\n"
        "loaded = {name for name in set(sys.modules) - before if name.startswith('git_theta')}\n"
        "assert loaded == {'git_theta'}, loaded\n"
        "git_theta.open, git_theta.load, git_theta.diff, git_theta.save, git_theta.log, git_theta.checkout_dir\n"
        "heavy = {'numpy', 'torch', 'git', 'pandas', 'ml_dtypes', 'click', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in git_theta.__all__ if name not in ("__version__", "errors")])
def test_everything_has_a_docstring_with_its_arguments(name: str) -> None:
    found = getattr(git_theta, name)
    text = inspect.getdoc(found) or ""
    if inspect.isclass(found):
        assert "Example:" in text
        return
    missing = {one for one in inspect.signature(found).parameters if one not in text}
    assert not missing
