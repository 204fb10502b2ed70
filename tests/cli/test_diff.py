"""``git theta diff``, as a person types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.cli.test_progress import on_a_terminal
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

MODEL = "m.safetensors"
OTHER = "sub/other.safetensors"
FIRST = model()
SECOND = changed(changed(FIRST, "layer.bias"), "embed.weight", b"\0" * 64)
SCHEMA = Path(__file__).parents[2] / "docs/spec/diff.schema.json"


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """Two commits of two checkpoints and a note; on the branch ``side`` the second came out otherwise."""
    _record(sandbox)
    return sandbox


@built_once
def _record(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, FIRST)
    sandbox.write(OTHER, FIRST)
    sandbox.write("note.txt", b"1\n")
    sandbox.commit()
    sandbox.git("checkout", "-q", "-b", "side")
    sandbox.write(OTHER, changed(FIRST, "layer.weight"))
    sandbox.commit()
    sandbox.git("checkout", "-q", "main")
    sandbox.write(MODEL, SECOND)
    sandbox.write("note.txt", b"2\n")
    sandbox.commit()


def names(repository: Sandbox, *args: str) -> list[str]:
    """What ``--name-only`` prints, "path name"."""
    return repository.theta("diff", "--name-only", *args).stdout.replace("\t", " ").splitlines()


IN_MODEL = [f"{MODEL} embed.weight", f"{MODEL} layer.bias"]
IN_OTHER = [f"{OTHER} layer.weight"]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["HEAD~", "HEAD"], IN_MODEL),
        (["HEAD~..HEAD"], IN_MODEL),
        (["HEAD~..", "--"], IN_MODEL),
        (["side..main"], [*IN_MODEL, *IN_OTHER]),
        (["side...main"], IN_MODEL),
        (["main...side"], IN_OTHER),
        (["side", "main", "--", "sub"], IN_OTHER),
        (["side", "main", "sub"], IN_OTHER),
        (["side", "main", "*.safetensors", ":(exclude)sub"], IN_MODEL),
        (["HEAD~"], IN_MODEL),
        (["--cached", "HEAD~"], IN_MODEL),
        (["--staged"], []),
        ([], []),
    ],
)
def test_versions_and_paths_are_those_of_git_diff(repository: Sandbox, args: list[str], expected: list[str]) -> None:
    assert names(repository, *args) == expected


def test_the_worktree_and_paths_from_a_folder_below(repository: Sandbox) -> None:
    repository.write(OTHER, SECOND)
    below = Sandbox(repository.root / "sub")
    both = [f"{OTHER} embed.weight", f"{OTHER} layer.bias"]
    assert names(repository) == names(below, "other.safetensors") == names(below, "--", ".") == both
    repository.git("add", OTHER)
    assert names(repository) == []
    assert names(repository, "--cached") == both
    assert names(repository, "HEAD~", "--", MODEL) == IN_MODEL


def test_text_sorted_limited_and_filtered(repository: Sandbox) -> None:
    said = repository.theta("diff", "@~", "@", "--sort", "relative", "--limit", "1").stdout
    assert f"--- a/{MODEL} (@~)\n+++ b/{MODEL} (@)\n@@ 2 changed, of 3 parameters" in said
    assert [line.split()[1] for line in said.splitlines() if line[:2] == "~ "] == ["embed.weight"]
    assert "and 1 more parameter" in said
    assert names(repository, "@~", "@", "-p", "layer.*") == [IN_MODEL[1]]
    assert names(repository, "@~", "@", "-p", "*.bias", "-p", "embed.*") == IN_MODEL
    assert names(repository, "@~", "@", "-p", "not_this*", "-p", "layer.weight") == []


def test_a_name_that_no_parameter_has_is_an_error_not_no_difference(repository: Sandbox) -> None:
    done = repository.theta("diff", "--exit-code", "--name-only", "@~", "@", "-p", "nothing", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no parameter of {MODEL} matches" in done.stderr
    assert f"git theta show {MODEL} --parameters" in done.stderr


def test_numbers_are_in_the_json(repository: Sandbox) -> None:
    data = json.loads(repository.theta("diff", "--json", "@~", "@").stdout)
    jsonschema.validate(data, json.loads(SCHEMA.read_text()))
    [checkpoint] = data["checkpoints"]
    rows = {row["name"]: row["measures"] for row in checkpoint["parameters"]}
    assert rows["embed.weight"]["differing"] == 16
    assert rows["layer.bias"]["differing"] == 1
    assert checkpoint["labels"] == ["@~", "@"]


def test_stat(repository: Sandbox) -> None:
    said = repository.theta("diff", "--stat", "side", "main").stdout.splitlines()
    assert said[0] == f" {MODEL}"
    assert said[1].split()[:2] == ["embed.weight", "|"]
    assert said[-1].startswith(" 2 checkpoints, 3 changed, of 6 parameters")


def test_shards_are_one_checkpoint_also_where_one_changed(repository: Sandbox) -> None:
    shards = [f"big-{number:05}-of-00002.safetensors" for number in (1, 2)]
    for number, path in enumerate(shards):
        repository.write(path, model(number, **{f"part{number}": (4, 4), f"more{number}": (3,)}))
    repository.commit()
    repository.write(shards[0], changed(repository.read(shards[0]), "part0"))
    assert "@@ 1 changed, of 4 parameters" in repository.theta("diff").stdout
    repository.write(shards[1], changed(repository.read(shards[1]), "more1"))
    index = "big.safetensors.index.json"
    assert names(repository, "--", shards[1]) == [f"{index} part0", f"{index} more1"]


def test_renames_are_followed(repository: Sandbox) -> None:
    repository.git("mv", MODEL, "new.safetensors")
    assert names(repository, "HEAD") == ["new.safetensors"]
    repository.write("new.safetensors", changed(SECOND, "layer.weight"))
    assert names(repository, "HEAD") == ["new.safetensors layer.weight"]
    assert f"rename from {MODEL}\nrename to new.safetensors\n" in repository.theta("diff", "HEAD").stdout


def test_exit_codes(repository: Sandbox) -> None:
    def code(*args: str) -> int:
        return repository.theta("diff", *args, check=False).returncode

    assert code("@~", "@") == 0
    assert code("@~", "@", "--exit-code", "--stat") == 1
    assert code("@~", "@", "--exit-code", "-p", "layer.weight") == 0
    assert code("--exit-code") == 0
    shutil.rmtree(repository.root / ".git/theta/objects")
    assert code("@~", "@", "--exit-code", "--stat") == 1
    done = repository.theta("diff", "@~", "@", check=False)
    assert done.returncode == 2
    assert "2 parameters could not be measured" in done.stdout


def test_other_files_are_left_to_git(repository: Sandbox) -> None:
    done = repository.theta("diff", "@~", "@", "--", "note.txt")
    assert done.stdout == ""
    assert done.stderr == "theta: no checkpoint differs; `git diff` shows 1 other file\n"
    assert repository.theta("diff", "@~", "@").stderr == ""


def test_a_file_in_conflict(repository: Sandbox) -> None:
    repository.git("checkout", "-q", "side")
    repository.write(MODEL, changed(FIRST, "layer.bias", at=8))
    repository.commit()
    repository.git("merge", "-q", "main", check=False)
    said = repository.theta("diff").stdout.splitlines()
    assert said[:2] == [f"diff --theta a/{MODEL} b/{MODEL}", "in conflict: see git theta status"]
    assert [line.split()[1] for line in said if line[:2] == "~ "] == ["embed.weight"], "what was merged"


def test_a_page_is_written(repository: Sandbox, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert repository.theta("diff", "@~", "@", "--html", str(page)).stdout == ""
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_a_picture_is_written(repository: Sandbox, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "picture.png"
    assert repository.theta("diff", "@~", "@", "--png", str(picture)).stdout == ""
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_values_that_take_their_time_to_read_show_how_far_they_are(repository: Sandbox) -> None:
    """Two versions of two parameters: 16.6 kB."""
    program = """\
from git_theta.cli import progress
from git_theta.cli.main import main
progress._FIRST_DELAY = progress._REDRAW_PERIOD = 0
assert main(["diff", "@~", "@", "--json"]) == 0
"""
    printed, drawn = on_a_terminal(program, repository.root)
    assert json.loads(printed)["checkpoints"]
    assert "Comparing" in drawn
    assert "16.6/16.6 kB" in drawn


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nowhere"], "'nowhere' is no revision here"),
        (["@", "@", "@"], "more than two versions"),
        (["--cached", "@~..@"], "--cached compares the index with one version"),
        (["--stat", "--json"], "exclude each other"),
        (["--stat", "--sort", "norm"], "read no values to sort by norm"),
        (["-p", "["], "the glob '['"),
        (["--html", "nowhere/page.html"], "cannot be written there"),
        (["note.txt", "--sort", "colour"], "--sort: 'colour' is no order"),
        (["note.txt", "--sort", "relatve"], "Did you mean 'relative'?"),
        (["--stat", "--sort", "sign-flips"], "read no values to sort by sign-flips"),
    ],
)
def test_what_cannot_be_is_refused(repository: Sandbox, args: list[str], words: str) -> None:
    done = repository.theta("diff", *args, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_a_word_that_is_a_branch_and_a_file_is_not_guessed(repository: Sandbox) -> None:
    repository.write("side", b"")
    done = repository.theta("diff", "side", check=False)
    assert done.returncode == 2
    assert "'side' is a revision and a path" in done.stderr
    assert names(repository, "side", "--")


def test_names_alone_import_neither_numpy_nor_torch(repository: Sandbox, tmp_path: Path) -> None:
    report = tmp_path / "modules"
    program = f"""\
import sys
from git_theta.cli.main import main
assert main(["diff", "--stat", "HEAD~", "HEAD"]) == 0
assert "git_theta.diffing.compare" in sys.modules
open({str(report)!r}, "w").write(" ".join(sys.modules))
"""
    subprocess.run([sys.executable, "-I", "-c", program], cwd=repository.root, check=True, stdout=subprocess.DEVNULL)
    assert not {"numpy", "torch", "rich", "tempfile"} & set(report.read_text().split())
