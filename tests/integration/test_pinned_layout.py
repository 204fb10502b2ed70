"""A file keeps the layout that the index has for it, whichever formats come, go, or learn something."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from git_theta.manifest.text import decode_manifest
from tests.integration.test_rogue_plugins import find_packages_in
from tests.sandbox import Sandbox, changed, model
from tests.test_registry import install

FORMAT = '''
from git_theta.formats.base import Format, Span
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

class Pair(Format):
    """PAIR and the bytes of two tensors, halves of what follows."""

    name = "pair"

    def matches(self, head, path):
        return head.startswith(b"PAIR")

    def spans(self, source):
        half = (source.size - 4) // 2
        return [Span(name, Spec(BY_NAME["U8"], (half,)), 4 + at * half, half) for at, name in enumerate("wv")]

    def build(self, parts, like):
        return list(like.runs)
'''
FILE = "a.pair"
BASE, TRAINED, LONGER = b"PAIR" + b"w" * 100 + b"v" * 100, b"PAIR" + b"W" * 100 + b"v" * 100, b"PAIR" + b"x" * 300


@pytest.fixture
def pair(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """A repository whose filter and drivers find the package, and with ``without`` do not."""
    install(tmp_path / "site", "pair", "[git_theta.plugins.formats]\npair = pair:Pair\n", FORMAT)
    find_packages_in(tmp_path / "site", sandbox)
    sandbox.theta("track", "*.pair", "*.safetensors")
    sandbox.commit("track")
    return sandbox


def without(sandbox: Sandbox) -> None:
    """Uninstall the package."""
    site = sandbox.root.parent / "site"
    (site if site.exists() else next(sandbox.root.parent.glob("**/site"))).rename(site.with_name("gone"))


def come_back(sandbox: Sandbox) -> None:
    """Install it again."""
    (sandbox.root.parent / "gone").rename(sandbox.root.parent / "site")


def names(sandbox: Sandbox) -> list[str | None]:
    """The parameters of what the index holds."""
    text = sandbox.git("cat-file", "blob", f":{FILE}").stdout.encode()
    return [entry.name for entry in decode_manifest(text).parameters()]


def touch(sandbox: Sandbox) -> None:
    """Give the file a time that Git has not seen."""
    os.utime(sandbox.root / FILE, (1, 1))


def commit(sandbox: Sandbox, content: bytes) -> None:
    sandbox.write(FILE, content)
    sandbox.commit()


def test_a_format_that_is_gone_changes_nothing(pair: Sandbox) -> None:
    commit(pair, BASE)
    without(pair)
    touch(pair)
    assert pair.git("status", "--porcelain").stdout == ""
    assert pair.git("add", FILE).stderr == ""
    assert names(pair) == ["w", "v"]
    pair.git("checkout", "-q", "--detach", "HEAD~1")
    pair.git("checkout", "-q", "main")
    assert pair.read(FILE) == BASE


def test_what_is_trained_meanwhile_stays_by_parameters(pair: Sandbox) -> None:
    commit(pair, BASE)
    without(pair)
    commit(pair, TRAINED)
    assert names(pair) == ["w", "v"]
    assert pair.git("diff", "--stat", "HEAD~1", "--no-ext-diff").stdout.count("\n") == 2


def test_what_does_not_fit_any_more_is_kept_whole_and_it_is_said(pair: Sandbox) -> None:
    commit(pair, BASE)
    without(pair)
    pair.write(FILE, LONGER)
    said = pair.git("add", FILE).stderr
    assert f"{FILE}: kept whole, not by parameters: the index has it by parameters, as pair, and nothing" in said
    assert names(pair) == []


def test_a_format_that_comes_changes_nothing_until_it_is_asked(pair: Sandbox) -> None:
    without(pair)
    commit(pair, BASE)
    come_back(pair)
    touch(pair)
    assert pair.git("status", "--porcelain").stdout == ""
    assert names(pair) == []
    assert pair.theta("relayout", FILE).stdout == f"{FILE}: pair, 2 parameters, was opaque, 0 parameters\n"
    assert names(pair) == ["w", "v"]
    assert pair.theta("relayout", FILE).stdout == f"{FILE}: pair, 2 parameters, as before\n"


def test_renormalize_lays_out_anew(pair: Sandbox) -> None:
    without(pair)
    commit(pair, BASE)
    come_back(pair)
    pair.git("add", "--renormalize", ".")
    assert names(pair) == ["w", "v"]


def test_a_file_that_changed_is_laid_out_anew(pair: Sandbox) -> None:
    without(pair)
    commit(pair, BASE)
    come_back(pair)
    commit(pair, TRAINED)
    assert names(pair) == ["w", "v"]


def test_a_file_that_is_not_here_is_refused(pair: Sandbox) -> None:
    commit(pair, BASE)
    (pair.root / FILE).unlink()
    done = pair.theta("relayout", FILE, check=False)
    assert done.returncode == 2
    assert "git theta status" in done.stderr


def test_another_frame_of_a_built_in_format_is_found(pair: Sandbox) -> None:
    file = "m.safetensors"
    pair.write(file, model())
    pair.commit()
    pair.write(file, model(0, other=(4, 4)))
    pair.commit()
    assert '"name":"other"' in pair.git("cat-file", "blob", f":{file}").stdout
    pair.write(file, changed(model(0, other=(4, 4)), "other"))
    pair.commit()
    assert pair.git("diff", "--numstat", "--no-ext-diff", "HEAD~1", "--", file).stdout.split()[:2] == ["1", "1"]


OTHER, BOTH = b"PAIR" + b"w" * 100 + b"V" * 100, b"PAIR" + b"W" * 100 + b"V" * 100


@pytest.fixture
def apart(pair: Sandbox) -> Sandbox:
    """A file that is whole in the base and on ``main``, and by parameters on ``side``; each trained another one."""
    without(pair)
    commit(pair, BASE)
    pair.git("branch", "side")
    commit(pair, TRAINED)
    assert names(pair) == []
    come_back(pair)
    pair.git("switch", "-q", "side")
    commit(pair, OTHER)
    assert names(pair) == ["w", "v"]
    pair.git("switch", "-q", "main")
    return pair


def ask(sandbox: Sandbox, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Git, whose `git theta` finds the package too."""
    return sandbox.git(*command, check=check, env={"PYTHONPATH": str(sandbox.root.parent / "site")})


@pytest.mark.parametrize("command", [("merge", "--no-edit"), ("theta", "merge"), ("cherry-pick",)])
def test_versions_in_different_layouts_are_merged_in_the_richer_one(apart: Sandbox, command: tuple[str, ...]) -> None:
    ask(apart, *command, "side")
    assert apart.read(FILE) == BOTH
    assert names(apart) == ["w", "v"]
    assert apart.git("status", "--porcelain").stdout == ""
    apart.theta("fsck")


def test_they_are_merged_so_from_the_other_side_too(apart: Sandbox) -> None:
    apart.git("switch", "-q", "side")
    ask(apart, "merge", "--no-edit", "main")
    assert apart.read(FILE) == BOTH
    assert names(apart) == ["w", "v"]


def test_they_are_compared_by_parameters(apart: Sandbox) -> None:
    assert "kept whole" not in ask(apart, "diff", "main", "side").stdout
    assert ask(apart, "theta", "diff", "main", "side", "--name-only").stdout.split()[1::2] == ["w", "v"]


def test_what_they_contest_is_settled_by_parameters(apart: Sandbox) -> None:
    apart.git("switch", "-q", "side")
    commit(apart, b"PAIR" + b"x" * 100 + b"V" * 100)
    assert ask(apart, "merge", "--no-edit", "main", check=False).returncode == 1
    assert "contested: w" in ask(apart, "theta", "status").stdout
    ask(apart, "theta", "resolve", "--theirs")
    assert apart.read(FILE) == BOTH
    assert names(apart) == ["w", "v"]


def test_what_no_format_reads_here_is_merged_whole_as_before(apart: Sandbox) -> None:
    without(apart)
    done = ask(apart, "merge", "--no-edit", "side", check=False)
    assert done.returncode == 1
    assert "kept whole" in done.stderr
    assert apart.read(FILE) == TRAINED
