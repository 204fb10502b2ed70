"""``theta-format``: the format of a file, chosen in .gitattributes, beside the layout that the index pins."""

from __future__ import annotations

import json
import sys

import pytest

from git_theta.manifest.text import decode_manifest
from tests.sandbox import Sandbox, changed, model

FILE = "model.safetensors"


def staged(sandbox: Sandbox, path: str = FILE) -> tuple[str, int]:
    """The format of what the index has, and its parameters."""
    manifest = decode_manifest(sandbox.git("cat-file", "blob", f":{path}").stdout.encode())
    return manifest.format, sum(1 for _ in manifest.parameters())


def test_opaque_turns_splitting_off_without_a_word(sandbox: Sandbox) -> None:
    assert sandbox.theta("track", "--format", "opaque", "*.safetensors").stdout == (
        "tracking '*.safetensors' as opaque\n"
    )
    assert sandbox.read(".gitattributes") == (
        b"*.safetensors filter=theta diff=theta merge=theta -text\n*.safetensors theta-format=opaque\n"
    )
    sandbox.write(FILE, model())
    assert sandbox.git("add", ".").stderr == ""
    assert staged(sandbox) == ("opaque", 0)
    sandbox.git("commit", "-qm", "whole")
    (sandbox.root / FILE).unlink()
    sandbox.git("checkout", "-q", "--", FILE)
    assert sandbox.read(FILE) == model()


def test_a_format_reads_what_it_would_not_have_been_shown(sandbox: Sandbox) -> None:
    """By content this is a pickle's or nobody's: the attribute says what it is, for a path alone."""
    sandbox.theta("track", "*.weights")
    sandbox.theta("track", "--format", "safetensors", "a.weights")
    sandbox.write("a.weights", model())
    sandbox.git("add", ".")
    assert staged(sandbox, "a.weights")[0] == "safetensors"
    listed = json.loads(sandbox.theta("track", "--json").stdout)
    assert {one["pattern"]: one["format"] for one in listed} == {"*.weights": None, "a.weights": "safetensors"}
    assert "a.weights (.gitattributes) as safetensors" in sandbox.theta("track").stdout


@pytest.mark.genuine  # the hint names our interpreter
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("theta-format=torch", "theta-format=torch: "),
        ("theta-format=acme", "theta-format=acme: no format is called 'acme' here. Installed: safetensors, torch"),
        ("theta-format=numpy", f"It comes with git-theta-numpy: {sys.executable} -m pip install git-theta-numpy"),
        ("theta-format", "theta-format=set: no format is called 'set' here"),
    ],
)
def test_what_cannot_be_read_as_it_is_chosen_is_kept_whole_and_said(sandbox: Sandbox, value: str, said: str) -> None:
    sandbox.write(".gitattributes", f"*.safetensors filter=theta {value}\n".encode())
    sandbox.write(FILE, model())
    added = sandbox.git("add", ".").stderr
    assert f"{FILE}: kept whole, not by parameters: theta-format=" in added
    assert said in added
    assert staged(sandbox) == ("opaque", 0)


@pytest.mark.parametrize("value", ["-theta-format", "!theta-format", "theta-format="])
def test_without_a_choice_the_bytes_decide(sandbox: Sandbox, value: str) -> None:
    sandbox.write(".gitattributes", f"*.safetensors filter=theta theta-format=opaque\n*.safetensors {value}".encode())
    sandbox.write(FILE, model())
    sandbox.git("add", ".")
    assert staged(sandbox)[0] == "safetensors"


@pytest.fixture
def split(sandbox: Sandbox) -> Sandbox:
    """A committed file that is split, for which somebody then chooses to have it whole."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write(FILE, model())
    sandbox.commit()
    said = sandbox.theta("track", "--format", "opaque", "*.safetensors")
    assert f"{FILE}: theta-format=opaque, and the index has it as safetensors" in said.stderr
    assert f"git theta relayout {FILE}" in said.stderr
    sandbox.commit("whole from now on")
    return sandbox


def test_a_choice_changes_nothing_until_the_file_is_laid_out_anew(split: Sandbox) -> None:
    split.write(FILE, model())
    assert split.git("status", "--porcelain").stdout == ""
    split.write(FILE, changed(model(), "embed.weight"))  # trained, in the same frame
    split.git("add", FILE)
    assert staged(split)[0] == "safetensors"

    [listed] = json.loads(split.theta("status", "--json").stdout)["files"]
    assert listed["unlike"] == "opaque"
    assert "and the index has it as safetensors" in split.theta("status").stderr
    found = {one["check"]: one for one in json.loads(split.theta("doctor", "--json", check=False).stdout)}
    assert found["layouts"]["state"] == "note"
    assert found["layouts"]["hint"].endswith(f"git theta relayout {FILE}")

    assert split.theta("relayout", FILE).stdout.startswith(f"{FILE}: opaque, 0 parameters, was safetensors")
    assert split.git("status", "--porcelain").stdout == f"M  {FILE}\n"
    assert json.loads(split.theta("status", "--json").stdout)["files"][0]["unlike"] is None


def test_it_is_taken_back_by_untrack_and_track(split: Sandbox) -> None:
    split.git("add", "--renormalize", FILE)
    assert staged(split) == ("opaque", 0)
    split.theta("untrack", "*.safetensors")
    assert split.read(".gitattributes") == b""
    split.theta("track", "*.safetensors")
    split.git("add", "--renormalize", FILE)
    assert staged(split)[0] == "safetensors"


def test_a_format_that_is_not_here_is_no_choice(sandbox: Sandbox) -> None:
    refused = sandbox.theta("track", "--format", "safetensor", "*.bin", check=False)
    assert refused.returncode == 2
    assert "no format is called 'safetensor' here" in refused.stderr
    assert "Did you mean 'safetensors'?" in refused.stderr
    assert not (sandbox.root / ".gitattributes").exists()
    assert sandbox.theta("track", "--format", "opaque", check=False).returncode == 2


def test_the_last_word_counts_and_is_said_once(sandbox: Sandbox) -> None:
    sandbox.theta("track", "--format", "opaque", "*.bin")
    assert sandbox.theta("track", "--format", "opaque", "*.bin").stdout == "already tracking '*.bin' as opaque\n"
    sandbox.theta("track", "--format", "torch", "*.bin")
    assert sandbox.read(".gitattributes").decode().splitlines()[1:] == [
        "*.bin theta-format=opaque",
        "*.bin theta-format=torch",
    ]
    assert [one["format"] for one in json.loads(sandbox.theta("track", "--json").stdout)] == ["torch"]


def test_one_branch_by_parameters_and_one_whole_are_merged_as_the_attribute_says(split: Sandbox) -> None:
    """The choice is whole: what differs is a conflict of the whole file, and nothing is split behind its back."""
    split.git("switch", "-qc", "theirs")
    split.git("add", "--renormalize", FILE)
    split.git("commit", "-qm", "whole")
    split.git("switch", "-q", "main")
    split.write(FILE, changed(model(), "embed.weight"))
    split.commit("trained")
    merged = split.git("merge", "-q", "--no-edit", "theirs", check=False)
    assert merged.returncode == 1
    assert FILE in split.git("diff", "--name-only", "--diff-filter=U").stdout
