"""What installed packages declare, as ``importlib.metadata`` would say it."""

from __future__ import annotations

import os
import sys
from importlib.metadata import distributions
from pathlib import Path

from git_theta.entry_points import PREFIX, DeclaredPlugin, scan_packages
from tests.test_registry import install

POINTS = """\
[console_scripts]
tool = tool:main

[git_theta.plugins.formats]
# a comment
one = package.module:One
two=package:Two [extra]
three   =   package:Three

[git_theta.plugins.merges]
four = package:FOUR
[other]
five = package:FIVE
"""


def by_importlib(folders: list[str]) -> list[DeclaredPlugin]:
    seen, found = set(), []
    for one in distributions(path=folders):
        if one._normalized_name in seen:  # type: ignore[attr-defined]
            continue
        seen.add(one._normalized_name)  # type: ignore[attr-defined]
        for point in one.entry_points:
            if point.group.startswith(PREFIX):
                target = f"{point.module}:{point.attr}"
                folder = str(Path(str(one._path)).parent)  # type: ignore[attr-defined]
                found.append(
                    DeclaredPlugin(point.group.removeprefix(PREFIX), point.name, target, one.name, one.version, folder)
                )
    return found


def test_it_is_what_importlib_says(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(first, "some_package", POINTS)
    install(second, "Some.Package", POINTS)  # the same package: the first is imported
    install(second, "other", "[git_theta.plugins.stores]\nother = other:Store\n")
    install(second, "none", "[console_scripts]\na = b:c\n")
    egg = second / "old.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 0.1\n")
    (egg / "entry_points.txt").write_text("[git_theta.plugins.updates]\nold = old:Update\n")
    folders = [str(first), str(tmp_path / "absent"), str(second)]
    found = scan_packages(folders)
    assert set(found) == set(by_importlib(folders))
    assert [one.name for one in found[:4]] == ["one", "two", "three", "four"]
    assert len(found) == 6
    assert {one.target for one in found if one.name == "two"} == {"package:Two"}


def test_an_egg_is_read(tmp_path: Path) -> None:
    inside = tmp_path / "old-1.0-py3.egg" / "EGG-INFO"
    inside.mkdir(parents=True)
    (inside / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.0\n")
    (inside / "entry_points.txt").write_text("[git_theta.plugins.updates]\nold = old:Update\n")
    [found] = scan_packages([str(inside.parent)])
    assert (found.name, found.package, found.version) == ("old", "old", "1.0")


def test_what_cannot_be_read_declares_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "python311.zip"
    archive.write_bytes(b"PK")
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "binary-1.0.dist-info").mkdir()
    (tmp_path / "binary-1.0.dist-info/entry_points.txt").write_bytes(b"[git_theta.plugins.formats\xff]\nno = no:no")
    assert [one.package for one in scan_packages([str(archive), str(tmp_path)])] == [""]


def test_what_runs_here_is_read_alike() -> None:
    folders = [folder for folder in sys.path if folder.endswith("site-packages")]
    assert set(scan_packages(folders)) == set(by_importlib(folders))


def test_a_pipe_in_the_place_of_a_list_is_not_waited_for_and_a_huge_one_read_in_part(tmp_path: Path) -> None:
    for name in ("pipe", "huge", "folder", "good"):
        (tmp_path / f"{name}-1.dist-info").mkdir()
    os.mkfifo(tmp_path / "pipe-1.dist-info" / "entry_points.txt")
    (tmp_path / "folder-1.dist-info" / "entry_points.txt").mkdir()
    with (tmp_path / "huge-1.dist-info" / "entry_points.txt").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "good-1.dist-info" / "entry_points.txt").write_text(POINTS)
    os.mkfifo(tmp_path / "good-1.dist-info" / "METADATA")
    assert [one.name for one in scan_packages([str(tmp_path)])] == ["one", "two", "three", "four"]
