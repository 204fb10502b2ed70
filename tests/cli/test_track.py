"""``git theta track`` and ``untrack``, as a person types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from git_theta.repository.setup.readme_section import BEGIN, END
from tests.sandbox import Sandbox, model

OURS = b" filter=theta diff=theta merge=theta -text\n"


@pytest.fixture
def plain(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "repository", install=False)


def test_tracking_listing_and_untracking(sandbox: Sandbox) -> None:
    assert sandbox.theta("track").stdout == ""
    printed = sandbox.theta("track", "*.bin", "my model.pt")
    assert printed.stdout == "tracking '*.bin'\ntracking 'my model.pt'\n"
    commit, readme = printed.stderr.splitlines()
    assert commit == "hint: Commit .gitattributes with the files: clones track by it."
    assert "`git theta track --readme`" in readme
    assert sandbox.read(".gitattributes") == b"*.bin" + OURS + b'"my model.pt"' + OURS
    again = sandbox.theta("track", "*.bin")
    assert (again.stdout, again.stderr) == ("already tracking '*.bin'\n", "")
    assert sandbox.theta("track").stdout == "*.bin (.gitattributes)\nmy model.pt (.gitattributes)\n"
    assert json.loads(sandbox.theta("track", "--json").stdout) == [
        {"pattern": "*.bin", "file": ".gitattributes", "format": None},
        {"pattern": "my model.pt", "file": ".gitattributes", "format": None},
    ]
    untracked = sandbox.theta("untrack", "*.bin", "*.h5").stdout
    assert untracked == "no longer tracking '*.bin'\nnot tracked here: '*.h5'\n"
    assert sandbox.theta("track").stdout == "my model.pt (.gitattributes)\n"


def test_patterns_are_relative_to_the_folder_one_stands_in(sandbox: Sandbox) -> None:
    (sandbox.root / "sub").mkdir()
    Sandbox(sandbox.root / "sub").theta("track", "./model.bin")
    assert sandbox.read("sub/.gitattributes") == b"/model.bin" + OURS
    assert not (sandbox.root / ".gitattributes").exists()
    assert sandbox.theta("track").stdout == "/model.bin (sub/.gitattributes)\n"
    listed = sandbox.git("check-attr", "filter", "sub/model.bin", "model.bin").stdout
    assert listed == "sub/model.bin: filter: theta\nmodel.bin: filter: unspecified\n"


def test_one_is_told_when_the_filter_is_not_installed(plain: Sandbox) -> None:
    told = plain.theta("track", "*.bin").stderr
    assert "theta: warning: the filter is not installed here" in told
    assert "hint: Run `git theta install`" in told


def test_files_committed_before_are_named_with_the_way_to_convert_them(plain: Sandbox) -> None:
    for name in ("a.bin", "b c.bin", "d.txt"):
        plain.write(f"sub/{name}", b"content")
    plain.commit()
    told = Sandbox(plain.root / "sub").theta("track", "*.bin").stderr
    assert "already in the index, where Git holds them as they are: a.bin 'b c.bin'\n" in told
    assert "hint: `git add --renormalize a.bin 'b c.bin'` stores them anew\n" in told
    again = Sandbox(plain.root / "sub").theta("track", "*.bin").stderr
    assert "renormalize" not in again
    told = Sandbox(plain.root / "sub").theta("untrack", "*.bin").stderr
    assert "still in the index as manifests: a.bin 'b c.bin'\n" in told


def test_many_files_are_counted_rather_than_listed(plain: Sandbox) -> None:
    for number in range(8):
        plain.write(f"{number}.bin", b"content")
    plain.commit()
    told = plain.theta("track", "*.bin").stderr
    assert "0.bin 1.bin 2.bin 3.bin 4.bin and 3 more\n" in told


@pytest.mark.genuine  # in another locale nothing is forked
def test_a_name_that_is_no_utf_8_is_printed_escaped(sandbox: Sandbox) -> None:
    name = "\udcff.bin"
    for locale in ("C", "C.UTF-8"):
        assert sandbox.theta("track", name, env={"LC_ALL": locale}).stdout.endswith("tracking '\\udcff.bin'\n")
    assert sandbox.read(".gitattributes") == b"\xff.bin" + OURS
    assert sandbox.theta("track").stdout == "\\udcff.bin (.gitattributes)\n"
    assert json.loads(sandbox.theta("track", "--json").stdout)[0]["pattern"] == name


def test_what_cannot_be_tracked_is_refused_with_a_hint(sandbox: Sandbox) -> None:
    done = sandbox.theta("track", "models/", check=False)
    assert done.returncode == 2
    assert "names a folder" in done.stderr
    assert "hint: `models/**` matches what is in it" in done.stderr
    assert sandbox.theta("track", "--json", "*.bin", check=False).returncode == 2
    assert not (sandbox.root / ".gitattributes").exists()


@pytest.mark.parametrize(
    ("pattern", "words", "hint"),
    [
        ("{root}/sub/a.bin", "is an absolute path", "git theta track sub/a.bin"),
        ("{root}/*.bin", "is an absolute path", "git theta track '*.bin'"),
        ("sub", "is a folder", "`git theta track 'sub/**'` matches what is in it"),
        ("", "is empty", "git theta track '*.safetensors'"),
    ],
)
def test_paths_that_are_no_patterns_are_refused(sandbox: Sandbox, pattern: str, words: str, hint: str) -> None:
    sandbox.write("sub/a.bin", b"content")
    done = sandbox.theta("track", pattern.format(root=sandbox.root), check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert hint in done.stderr.partition("hint: ")[2]
    assert sandbox.theta("track", "/model.bin").returncode == 0


def test_outside_of_a_worktree(tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    done = bare.theta("track", "*.bin", check=False)
    assert done.returncode == 2
    assert "must be run in a worktree" in done.stderr
    nowhere = Sandbox(tmp_path).theta("track", check=False)
    assert nowhere.returncode == 7
    assert "theta: error: not in a Git repository\nhint: " in nowhere.stderr


def test_a_readme_says_what_to_install_when_one_asks_for_it(sandbox: Sandbox) -> None:
    """Whoever does what it says has the checkpoint; every other byte of it stays, and the second time all of them."""
    sandbox.write("readme.md", b"# A model\r\n\r\nOurs.")
    assert "track --readme" not in sandbox.theta("track", "*.safetensors", "--readme").stderr
    found = sandbox.read("readme.md")
    assert found.startswith(b"# A model\r\n\r\nOurs.\r\n\r\n" + BEGIN)
    assert found.endswith(END + b"\r\n")
    assert b"\n" not in found.replace(b"\r\n", b"")
    assert not (sandbox.root / "README.md").exists()
    again = sandbox.theta("track", "--readme")
    assert (again.stdout, again.stderr) == ("readme.md already says how to get the checkpoints\n", "")
    assert sandbox.read("readme.md") == found
    assert sandbox.theta("track", "--readme", "--json", check=False).returncode == 2


def test_without_a_readme_one_is_made_at_the_top(sandbox: Sandbox) -> None:
    (sandbox.root / "sub").mkdir()
    told = Sandbox(sandbox.root / "sub").theta("track", "--readme").stdout
    assert told == "README.md now says how to get the checkpoints\n"
    assert sandbox.read("README.md").startswith(BEGIN)
    assert "--readme" not in sandbox.theta("track", "*.bin").stderr, "what it says already needs no hint"


def test_a_readme_that_is_a_link_is_left_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not yours\n")
    (sandbox.root / "README.md").symlink_to(tmp_path / "elsewhere")
    assert sandbox.theta("track", "--readme", check=False).returncode == 2
    assert (tmp_path / "elsewhere").read_text() == "not yours\n"


def test_who_clones_without_us_does_what_the_readme_says(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.theta("track", "*.safetensors", "--readme")
    sandbox.write("model.safetensors", model())
    sandbox.commit()
    clone = Sandbox.clone(sandbox, tmp_path / "clone")
    assert clone.read("model.safetensors").startswith(b"git-theta manifest ")
    (commands,) = re.findall(r"```\n(.*?)```", clone.read("README.md").decode(), re.DOTALL)
    clone.run("sh", "-e", "-c", commands)
    assert clone.read("model.safetensors") == model()
