"""A format of a stranger's package that misbehaves, inside real `git add`, `git diff` and `git merge`.

It works when told nothing. ``ROGUE=METHOD:WHAT`` makes one of its methods do something else.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from git_theta.manifest.text import decode_manifest
from tests.command_server import WITH_PACKAGES, name_interpreter
from tests.sandbox import Sandbox, model
from tests.templates import built_once
from tests.test_registry import install

ROGUE = '''
import os, subprocess, sys
from git_theta.formats.base import Derived, Checksum, Format, Span, SpanView
from git_theta.formats.template import matches_template
from git_theta.tensors.dtypes import BY_NAME, DType
from git_theta.tensors.spec import Spec

U8 = BY_NAME["U8"]
PLACE, _, WHAT = os.environ.get("ROGUE", "").partition(":")
ANSWERS = {
    "None": None,
    "a number": 7,
    "tuples": [("w", "U8", 0, 4)],
    "a float for an offset": [Span("w", Spec(U8, (4,)), 5.0, 4)],
    "a list for a shape": [Span("w", Spec(U8, [4]), 5, 4)],
    "a name that is no text": [Span(b"w", Spec(U8, (4,)), 5, 4)],
    "a dtype of its own sizes": [Span("w", Spec(DType("F32", 8, "float"), (4,)), 5, 4)],
    "beyond the end": [Span("w", Spec(U8, (4000,)), 5, 4000)],
    "before the start": [Span("w", Spec(U8, (4,)), -1, 4)],
    "overlapping": [Span("w", Spec(U8, (4,)), 5, 4), Span("v", Spec(U8, (4,)), 7, 4)],
    "a view beyond its span": [Span("w", Spec(U8, (4,)), 5, 4, (SpanView("v", Spec(U8, (2,)), None, 3),))],
    "a view of numbers": [Span("w", Spec(U8, (4,)), 5, 4, ((1, 2, 3),))],
}

def misbehave(place):
    if place != PLACE:
        return
    if WHAT == "raise":
        raise KeyError("no such thing")
    if WHAT == "exit":
        sys.exit("goodbye")
    if WHAT == "recurse":
        misbehave(place)
    if WHAT == "open":
        open("/nowhere/at/all")
    if WHAT == "print":
        print("hello from the plug-in")
    if WHAT == "write":
        os.write(1, b"hello from the plug-in\\n")
    if WHAT == "run":
        subprocess.run(["echo", "hello from the plug-in"])
    if WHAT == "close":
        sys.stdout.flush(); sys.stdout.buffer.write(b"hello from the plug-in\\n")

class Rogue(Format):
    """ROGUE and the bytes of two tensors, halves of what follows."""

    name = "rogue"

    def matches(self, head, path):
        misbehave("matches")
        return head.startswith(b"ROGUE")

    def spans(self, source):
        misbehave("spans")
        if PLACE == "spans" and WHAT in ANSWERS:
            return ANSWERS[WHAT]
        half = (source.size - 5) // 2
        return [Span(name, Spec(U8, (half,)), 5 + at * half, half) for at, name in enumerate("wv")]

    def build(self, parts, like):
        misbehave("build")
        if PLACE == "build" and WHAT == "short":
            return [b""]
        if PLACE == "build" and WHAT == "other":
            return [b"RO", b"GUE", b""]
        return list(like.runs)

    def find_derived(self, like):
        misbehave("derived")
        if PLACE == "derived" and WHAT == "tensor":
            yield Derived(6, 2, "w", Checksum("c", lambda values: b"cc"))
        if PLACE == "derived" and WHAT == "text":
            yield "everything"

    def metadata(self, like):
        misbehave("metadata")
        yield "by", {"a": "dict"} if WHAT == "dict" else "who"

misbehave("import")
'''
NAMED = "the format 'rogue' of rogue 1.0"
BASE, OURS, THEIRS = b"ROGUEaaaabbbb", b"ROGUEAAAAbbbb", b"ROGUEaaaaBBBB"
LONGER = b"ROGUEAAAAAAbbbbbb"
"""Of another layout: that of BASE, which the index has, would do for the others."""


def find_packages_in(site: Path, sandbox: Sandbox) -> None:
    """Have the repository's filter and drivers find the packages of a folder."""
    for key in ("filter.theta.process", "diff.theta.command", "merge.theta.driver"):
        value = sandbox.git("config", key).stdout.strip()
        assert " -m git_theta" in value
        sandbox.git("config", key, value.replace(" -m git_theta", f" {WITH_PACKAGES} {site} git_theta"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed."""
    site = tmp_path_factory.mktemp("rogue") / "site"
    install(site, "rogue", "[git_theta.plugins.formats]\nrogue = rogue:Rogue\n", ROGUE)
    return site


@pytest.fixture
def rogue(sandbox: Sandbox, site: Path) -> Sandbox:
    """A repository whose filter and drivers find the package, and a committed file of its format."""
    _start(sandbox, site)
    return sandbox


@built_once
def _start(sandbox: Sandbox, site: Path) -> None:
    find_packages_in(site, sandbox)
    sandbox.theta("track", "*.rogue")
    sandbox.write("a.rogue", BASE)
    sandbox.commit()
    assert names(sandbox) == ["w", "v"]


def names(sandbox: Sandbox, revision: str = "") -> list[str | None]:
    """The parameters of what Git holds."""
    text = sandbox.git("cat-file", "blob", f"{revision}:a.rogue").stdout.encode()
    return [entry.name for entry in decode_manifest(text).parameters()]


def add(sandbox: Sandbox, behaviour: str) -> str:
    """Add a changed file; what is said on stderr."""
    sandbox.write("a.rogue", LONGER)
    added = sandbox.git("add", "a.rogue", env={"ROGUE": behaviour})
    assert added.stdout == ""
    return added.stderr


FAILURES = [
    *(f"{place}:{what}" for place in ("matches", "spans", "import") for what in ("raise", "exit", "recurse", "open")),
    *("spans:None", "spans:a number", "spans:tuples", "spans:a float for an offset", "spans:a list for a shape"),
    *("spans:a name that is no text", "spans:a dtype of its own sizes", "spans:a view of numbers"),
    *("spans:beyond the end", "spans:before the start", "spans:overlapping", "spans:a view beyond its span"),
]


@pytest.mark.parametrize("behaviour", FAILURES)
def test_a_format_that_fails_is_named_and_the_file_is_kept_whole(rogue: Sandbox, behaviour: str) -> None:
    said = add(rogue, behaviour)
    assert re.search(rf"warning: a.rogue: kept whole, not by parameters: .*{NAMED}", said), said
    assert names(rogue) == []
    (rogue.root / "a.rogue").unlink()
    rogue.git("checkout", "--", "a.rogue")
    assert rogue.read("a.rogue") == LONGER


def test_what_to_do_about_it_is_said(rogue: Sandbox) -> None:
    said = add(rogue, "spans:raise")
    assert f"{NAMED} failed: KeyError: 'no such thing'. Upgrade rogue (" in said
    assert f"{name_interpreter()} -m pip install --upgrade rogue) or uninstall it, and tell its authors" in said
    assert "it tried to end the process (sys.exit('goodbye'))" in add(rogue, "matches:exit")


@pytest.mark.parametrize("what", ["print", "write", "run", "close"])
@pytest.mark.parametrize("place", ["import", "matches", "spans"])
def test_a_format_that_prints_does_not_garble_what_git_reads(rogue: Sandbox, place: str, what: str) -> None:
    said = add(rogue, f"{place}:{what}")
    assert "hello from the plug-in" in said
    assert (f"{NAMED} prints" in said) == (what == "print")
    assert names(rogue) == ["w", "v"]
    rogue.git("commit", "-qm", "changed")
    (rogue.root / "a.rogue").unlink()
    rogue.git("checkout", "--", "a.rogue", env={"ROGUE": f"{place}:{what}"})
    assert rogue.read("a.rogue") == LONGER


def test_other_files_do_not_suffer(rogue: Sandbox) -> None:
    rogue.theta("track", "*.safetensors")
    rogue.write("model.safetensors", model())
    added = rogue.git("add", "model.safetensors", env={"ROGUE": "import:raise"})
    assert "model.safetensors" not in added.stderr
    assert "embed.weight" in rogue.git("cat-file", "blob", ":model.safetensors").stdout


@pytest.mark.parametrize("behaviour", ["spans:print", "spans:write", "derived:write", "derived:raise", "spans:exit"])
def test_git_diff_shows_the_parameter_and_nothing_else(rogue: Sandbox, behaviour: str) -> None:
    rogue.write("a.rogue", OURS)
    plain = rogue.git("diff").stdout
    assert "w" in plain
    shown = rogue.git("diff", env={"ROGUE": behaviour})
    assert "hello" not in shown.stdout
    if not behaviour.startswith("spans:exit"):
        assert shown.stdout == plain


@pytest.fixture
def branches(rogue: Sandbox) -> Sandbox:
    """Two branches that changed a tensor each."""
    _fork(rogue)
    return rogue


@built_once
def _fork(rogue: Sandbox) -> None:
    rogue.git("switch", "-qc", "theirs")
    rogue.write("a.rogue", THEIRS)
    rogue.commit("theirs")
    rogue.git("switch", "-q", "main")
    rogue.write("a.rogue", OURS)
    rogue.commit("ours")


@pytest.mark.parametrize("behaviour", ["", "build:print", "build:write", "derived:run"])
def test_git_merge_is_right_whatever_a_format_prints(branches: Sandbox, behaviour: str) -> None:
    merged = branches.git("merge", "-q", "--no-edit", "theirs", env={"ROGUE": behaviour})
    assert "hello" not in merged.stdout
    assert branches.read("a.rogue") == b"ROGUEAAAABBBB"


@pytest.mark.parametrize("behaviour", ["build:raise", "build:exit", "build:short", "derived:raise", "derived:text"])
def test_git_merge_with_a_format_that_fails_is_a_conflict_that_names_it(branches: Sandbox, behaviour: str) -> None:
    merged = branches.git("merge", "-q", "--no-edit", "theirs", env={"ROGUE": behaviour}, check=False)
    assert merged.returncode == 1
    assert NAMED in merged.stderr
    assert "tell its authors" in merged.stderr
    assert branches.git("diff", "--name-only", "--diff-filter=U").stdout == "a.rogue\n"
    branches.git("checkout", "--ours", "a.rogue")
    assert branches.read("a.rogue") == OURS


@pytest.mark.parametrize("behaviour", ["build:other", "derived:tensor"])
def test_a_file_that_is_not_what_was_merged_is_never_written(branches: Sandbox, behaviour: str) -> None:
    """A file whose tensors lie elsewhere than was said, and a checksum on top of a tensor."""
    merged = branches.git("merge", "-q", "--no-edit", "theirs", env={"ROGUE": behaviour}, check=False)
    assert merged.returncode == 1
    assert "the merged parameters fit no rogue file" in merged.stderr
    assert names(branches, "HEAD") == ["w", "v"]
