"""Attributes files: git's own ``check-attr`` is the judge of what we wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_theta.errors import UsageError
from git_theta.vcs.attribute_files import attributes, filtered_files
from git_theta.vcs.attribute_files.attributes import Pattern
from git_theta.vcs.attribute_files.filtered_files import IndexEntry
from git_theta.vcs.discovery import discover_repository
from tests.sandbox import Sandbox

OURS = b"filter=theta diff=theta merge=theta -text"


@pytest.fixture
def plain(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "repository", install=False)


def rules(sandbox: Sandbox, path: str) -> Mapping[str, str]:
    """What git applies to a path: attribute -> value."""
    answer = sandbox.git("check-attr", "-z", "--all", "--", path).stdout.split("\0")
    return dict(zip(answer[1::3], answer[2::3], strict=False))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.safetensors", "deep/in/model.safetensors"),
        ("model.bin", "model.bin"),
        ("./model.bin", "model.bin"),
        ("models/**", "models/a/b"),
        ("my model.bin", "my model.bin"),
        ("tab\there", "tab\there"),
        ("new\nline", "new\nline"),
        ("return\r", "return\r"),
        ('"quoted"', '"quoted"'),
        ('in"side', 'in"side'),
        ('both "a b" #c', 'both "a b" #c'),
        ("#hash", "#hash"),
        ("!bang", "!bang"),
        ("! bang", "! bang"),
        (r"star\*", "star*"),
        (r"a \*b", "a *b"),
        ("back\\\\slash", "back\\slash"),
        ("bell\a\v\f\b", "bell\a\v\f\b"),
        ("esc\x1b", "esc\x1b"),
        ("modèle-été.bin", "modèle-été.bin"),
        ("undecodable-\udcff.bin", "undecodable-\udcff.bin"),
        ("undecodable \udcff.bin", "undecodable \udcff.bin"),
    ],
)
def test_git_applies_what_we_write(plain: Sandbox, pattern: str, path: str) -> None:
    file = plain.root / ".gitattributes"
    assert attributes.track_patterns(file, [pattern]) == [pattern]
    assert filtered_files.filtered_paths([path, "other"], plain.root) == [path]
    assert rules(plain, path) == {"filter": "theta", "diff": "theta", "merge": "theta", "text": "unset"}
    assert [one.pattern for one in attributes.tracked_patterns(discover_repository(plain.root))] == [
        os.fsdecode(attributes.normalize_pattern(pattern))
    ]
    assert attributes.track_patterns(file, [pattern]) == [], "tracking again changes nothing"
    assert attributes.untrack_patterns(file, [pattern]) == [pattern]
    assert filtered_files.filtered_paths([path], plain.root) == []
    assert file.read_bytes() == b""


# What a file system can hold as one name, minus the pattern language's own characters.
NAMES = st.text(st.characters(exclude_characters="/\0*?[]\\", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=20, unique=True))
def test_any_name_can_be_tracked_and_no_other_is(plain: Sandbox, names: list[str]) -> None:
    file = plain.root / ".gitattributes"
    file.write_bytes(b"")
    tracked = names[::2]
    assert attributes.track_patterns(file, tracked) == tracked
    assert filtered_files.filtered_paths(names, plain.root) == tracked
    assert attributes.untrack_patterns(file, tracked) == tracked
    assert file.read_bytes() == b""


@pytest.mark.parametrize("pattern", ["", "models/", "../up.bin", "[attr]x", "a\0b", "long" * 600])
def test_a_pattern_that_git_could_never_match_is_refused(plain: Sandbox, pattern: str) -> None:
    with pytest.raises(UsageError) as refusal:
        attributes.track_patterns(plain.root / ".gitattributes", [pattern])
    assert refusal.value.hint
    assert not (plain.root / ".gitattributes").exists()


def test_git_indeed_never_matches_a_folder(plain: Sandbox) -> None:
    plain.write(".gitattributes", b"models/ filter=theta\n")
    assert filtered_files.filtered_paths(["models/a"], plain.root) == []


def test_every_other_byte_stays(plain: Sandbox) -> None:
    before = b"\xef\xbb\xbf# caf\xe9\r\n\r\n  *.txt\t text  \n[attr]big -diff -text\n\xff\xfe binary\n!neg filter=theta"
    before += b"\n*.md"
    file = plain.write(".gitattributes", before)
    assert attributes.track_patterns(file, ["*.bin"]) == ["*.bin"]
    assert file.read_bytes() == before + b"\r\n*.bin " + OURS + b"\r\n"
    assert attributes.untrack_patterns(file, ["*.bin", "*.txt", "neg"]) == ["*.bin"]
    assert file.read_bytes() == before + b"\r\n"


def test_other_attributes_of_the_pattern_stay_and_ours_win(plain: Sandbox) -> None:
    file = plain.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text lockable\n")
    assert attributes.track_patterns(file, ["*.bin"]) == ["*.bin"]
    assert rules(plain, "a.bin") == {
        "filter": "theta", "diff": "theta", "merge": "theta", "text": "unset", "lockable": "set",
    }  # fmt: skip
    assert attributes.untrack_patterns(file, ["*.bin"]) == ["*.bin"]
    assert file.read_bytes() == b"*.bin filter=lfs diff=lfs merge=lfs -text lockable\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.bin filter=theta diff=theta merge=theta -text lockable\r\n", b"*.bin lockable\r\n"),
        (b"*.bin  lockable\tfilter=theta diff=theta  eol=lf merge=theta -text", b"*.bin  lockable  eol=lf"),
        (b" *.bin\tfilter=theta merge=theta diff=theta \n", b""),  # as git-theta 0.2 wrote it
        (b"*.bin diff=theta -text\n", b"*.bin -text\n"),
        (b"*.bin -text\n*.bin filter=theta\n", b"*.bin -text\n"),
        (b'"*.bin" filter=theta x\n', b'"*.bin" x\n'),
        (b"\xef\xbb\xbf*.bin filter=theta x\n", b"\xef\xbb\xbf*.bin x\n"),
    ],
)
def test_untrack_takes_our_attributes_alone(plain: Sandbox, before: bytes, after: bytes) -> None:
    file = plain.write(".gitattributes", before)
    assert attributes.untrack_patterns(file, ["*.bin"]) == ["*.bin"]
    assert file.read_bytes() == after


def test_a_quoted_pattern_may_hold_our_words(plain: Sandbox) -> None:
    file = plain.write(".gitattributes", b'"a filter=theta b" filter=theta x\n')
    assert attributes.untrack_patterns(file, ["a filter=theta b"]) == ["a filter=theta b"]
    assert file.read_bytes() == b'"a filter=theta b" x\n'


def test_the_last_word_on_filter_counts(plain: Sandbox) -> None:
    file = plain.write(".gitattributes", b"*.bin filter=theta\n*.bin -filter\n*.pt filter=lfs filter=theta\n")
    assert filtered_files.filtered_paths(["a.bin", "a.pt"], plain.root) == ["a.pt"]
    assert attributes.tracked_patterns(discover_repository(plain.root)) == [Pattern("*.pt", ".gitattributes")]
    assert attributes.track_patterns(file, ["*.bin", "*.pt"]) == ["*.bin"]
    assert filtered_files.filtered_paths(["a.bin", "a.pt"], plain.root) == ["a.bin", "a.pt"]


def test_a_macro_may_say_it_for_us(plain: Sandbox) -> None:
    plain.write(
        ".gitattributes", b"[attr]big filter=theta -text\n[attr]model big loop\n[attr]loop model\n*.bin model\n"
    )
    assert filtered_files.filtered_paths(["a.bin"], plain.root) == ["a.bin"]
    assert attributes.track_patterns(plain.root / ".gitattributes", ["*.bin"]) == []
    assert attributes.tracked_patterns(discover_repository(plain.root)) == [Pattern("*.bin", ".gitattributes")]


def test_git_ignores_a_line_that_is_too_long_and_so_do_we(plain: Sandbox) -> None:
    file = plain.write(".gitattributes", b"*.bin filter=theta" + b" x" * 1100 + b"\n")
    assert filtered_files.filtered_paths(["a.bin"], plain.root) == []
    assert attributes.track_patterns(file, ["*.bin"]) == ["*.bin"]


def test_patterns_are_listed_with_the_file_they_stand_in(plain: Sandbox) -> None:
    plain.write(".gitattributes", b"*.bin filter=theta\n*.txt text\n")
    plain.write("sub dir/.gitattributes", b"/one.pt filter=theta\n")
    plain.write("ignored/.gitattributes", b"*.h5 filter=theta\n")
    plain.write(".gitignore", b"ignored\n")
    plain.write(".git/info/attributes", b"*.ckpt filter=theta\n")
    plain.write("sparse/.gitattributes", b"*.pth filter=theta\n")
    plain.commit()
    (plain.root / "sparse/.gitattributes").unlink()  # as in a sparse checkout
    found = attributes.tracked_patterns(discover_repository(plain.root))
    assert found == [
        Pattern("*.bin", ".gitattributes"),
        Pattern("*.h5", "ignored/.gitattributes"),
        Pattern("*.pth", "sparse/.gitattributes"),
        Pattern("/one.pt", "sub dir/.gitattributes"),
        Pattern("*.ckpt", "info/attributes"),
    ]
    assert filtered_files.filtered_paths(["sparse/a.pth", "ignored/a.h5", "a.ckpt"], plain.root) == [
        "sparse/a.pth", "ignored/a.h5", "a.ckpt",
    ]  # fmt: skip


def test_tracked_files_are_index_entries_that_git_filters(plain: Sandbox) -> None:
    plain.write(".gitattributes", b"*.bin filter=theta\n")
    odd = ["new\nline.bin", "\udcff.bin", "tab\t.bin", "z.bin"]
    for path in [*odd, "other.txt"]:
        plain.write(path, b"content")
    (plain.root / "link.bin").symlink_to("z.bin")
    (plain.root / "z.bin").chmod(0o755)
    # The filter's own commands are not installed: Git then stores the files as they are.
    plain.commit()
    found = filtered_files.tracked_files(discover_repository(plain.root))
    oid = plain.git("rev-parse", "HEAD:z.bin").stdout.strip()
    assert sorted(found, key=lambda entry: entry.path) == [
        IndexEntry("100755" if path == "z.bin" else "100644", oid, 0, path) for path in sorted(odd)
    ]


def test_a_conflicted_file_comes_with_its_stages(plain: Sandbox) -> None:
    plain.write(".gitattributes", b"*.bin filter=theta\n")
    plain.write("a.bin", b"base")
    plain.commit()
    plain.git("switch", "-qc", "theirs")
    plain.write("a.bin", b"theirs")
    plain.commit()
    plain.git("switch", "-q", "main")
    plain.write("a.bin", b"ours")
    plain.commit()
    plain.git("merge", "theirs", check=False)
    assert [(entry.path, entry.stage) for entry in filtered_files.tracked_files(discover_repository(plain.root))] == [
        ("a.bin", 1), ("a.bin", 2), ("a.bin", 3),
    ]  # fmt: skip


def test_nothing_is_tracked_in_a_bare_repository(tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    assert filtered_files.tracked_files(discover_repository(bare.root)) == []
    assert attributes.tracked_patterns(discover_repository(bare.root)) == []


def test_a_symbolic_link_is_never_written_through(plain: Sandbox) -> None:
    target = plain.write("elsewhere", b"*.txt text\n")
    link = plain.root / ".gitattributes"
    link.symlink_to(target)
    for edit in (attributes.track_patterns, attributes.untrack_patterns):
        with pytest.raises(UsageError, match="symbolic link") as refusal:
            edit(link, ["*.bin"])
        assert "elsewhere" in refusal.value.hint
    assert target.read_bytes() == b"*.txt text\n"


def test_the_files_mode_stays_and_no_temporary_file_does(plain: Sandbox) -> None:
    file = plain.write(".gitattributes", b"")
    file.chmod(0o640)
    attributes.track_patterns(file, ["*.bin"])
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in plain.root.iterdir()) == [".git", ".gitattributes"]
