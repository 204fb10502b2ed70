"""``git theta doctor`` finds each thing that can be wrong, and its advice works."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, model, track_and_commit
from tests.test_registry import FORMAT, install


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {"a.safetensors": model(0, weight=(300, 300))})


def problems(repository: Sandbox) -> dict[str, dict[str, str]]:
    done = repository.theta("doctor", "--json", check=False)
    found = {one["check"]: one for one in json.loads(done.stdout) if one["state"] == "problem"}
    assert done.returncode == bool(found)
    assert all(one["hint"] for one in found.values())
    return found


def find_note(repository: Sandbox, check: str) -> dict[str, str]:
    """What a check that finds no problem says."""
    [found] = [one for one in json.loads(repository.theta("doctor", "--json").stdout) if one["check"] == check]
    return dict(found)


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """An environment in which a program of that name is ours."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{Path(sys.executable).parent}:{Path(shutil.which('git') or '').parent}"}


def test_a_sound_setup(repository: Sandbox) -> None:
    assert problems(repository) == {}
    lines = repository.theta("doctor").stdout.splitlines()
    assert [line for line in lines if not line.startswith("note: ")][:4] == [
        "ok: git",
        "ok: filter",
        "ok: drivers",
        "ok: pre-push hook",
    ]
    assert "ok: merge hooks" in lines


def test_hooks_that_ask_us_of_no_merge_are_noted(repository: Sandbox) -> None:
    (repository.root / ".git/hooks/prepare-commit-msg").unlink()
    [line] = [line for line in repository.theta("doctor").stdout.splitlines() if "merge hooks" in line]
    assert line.startswith("note: merge hooks: prepare-commit-msg in ")
    assert "pre-merge-commit" not in line
    for name in ("pre-push", "pre-merge-commit", "prepare-commit-msg"):
        repository.write(f".husky/_/{name}", b'#!/bin/sh\n. "${0%/*}/h"\n').chmod(0o755)
        repository.write(f".husky/{name}", f'git theta {name} "$@"\n'.encode())
    repository.git("config", "core.hooksPath", ".husky/_")
    assert "ok: merge hooks" in repository.theta("doctor").stdout.splitlines()


def test_hooks_that_call_another_git_theta_are_noted(repository: Sandbox) -> None:
    hook = repository.root / ".git/hooks/prepare-commit-msg"
    hook.write_text(re.sub(r"\S+/python", "/nowhere/python", hook.read_text()))
    [line] = [line for line in repository.theta("doctor").stdout.splitlines() if "merge hooks" in line]
    assert line == f"note: merge hooks: another git-theta is called by prepare-commit-msg in {hook.parent}"
    repository.theta("install")
    assert "ok: merge hooks" in repository.theta("doctor").stdout.splitlines()


@pytest.mark.parametrize(("key", "value"), [("theta.updates", "no-such"), ("theta.delta.depth", "x")])
def test_a_setting_that_nothing_new_can_be_stored_by(repository: Sandbox, key: str, value: str) -> None:
    repository.git("config", key, value)
    found = problems(repository)["storage"]
    assert key in found["text"]
    assert f"git config --unset-all {key}" in found["hint"]
    repository.git("config", "--unset-all", key)
    assert problems(repository) == {}


def test_a_measure_that_no_diff_can_take(repository: Sandbox) -> None:
    repository.git("config", "theta.measures", "sign-flips no-such")
    assert "theta.measures names 'no-such'" in problems(repository)["measures"]["text"]
    repository.git("config", "theta.measures", "sign-flips")
    assert problems(repository) == {}


def test_a_repository_of_another_user_is_said_to_be_one(repository: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = {one["check"]: one for one in json.loads(repository.theta("doctor", "--json", check=False).stdout)}
    assert "is another user's, and Git looks into no repository of theirs" in found["worktree"]["text"]


def test_outside_of_a_repository_the_machine_is_checked(tmp_path: Path) -> None:
    nowhere = Sandbox(tmp_path)
    assert list(problems(nowhere)) == ["filter"]
    nowhere.theta("install")
    assert problems(nowhere) == {}
    found = {one["check"]: one for one in json.loads(nowhere.theta("doctor", "--json").stdout)}
    unchecked = {
        name for name, one in found.items() if one["text"].startswith("not checked") and one["state"] == "note"
    }
    assert unchecked == {
        "pre-push hook",
        "merge hooks",
        "remotes",
        "worktree",
        "index",
        "patterns",
        "shards",
        "conversions",
        "store",
        "alternates",
        "weights",
        "needed plug-ins",
        "layouts",
    }


def test_files_are_tracked_and_the_filter_is_not_installed(repository: Sandbox) -> None:
    repository.git("config", "--remove-section", "filter.theta")
    [(name, found)] = problems(repository).items()
    assert name == "filter"
    assert "Git stores the files tracked here as they are" in found["text"]
    repository.theta("install", "--local")
    assert problems(repository) == {}


def test_the_filters_interpreter_is_gone(repository: Sandbox) -> None:
    gone = "/nowhere/py thon"
    repository.git("config", "filter.theta.process", f"'{gone}' -I -m git_theta.cli.filter_process")
    assert f"installed for {gone}, which is not there" in problems(repository)["filter"]["text"]
    repository.theta("install", "--local")
    assert problems(repository) == {}


def test_the_filters_interpreter_has_no_git_theta(repository: Sandbox, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to("/bin/false")
    repository.git("config", "filter.theta.process", f"{python} -I -m git_theta.cli.filter_process")
    assert "which has no working git-theta" in problems(repository)["filter"]["text"]


def test_the_filter_is_not_required(repository: Sandbox) -> None:
    repository.git("config", "filter.theta.required", "false")
    assert "committed as it is" in problems(repository)["filter"]["text"]


def test_a_driver_that_an_older_release_did_not_install_is_noted(repository: Sandbox) -> None:
    repository.git("config", "--unset", "diff.theta.command")
    assert problems(repository) == {}
    assert "note: drivers: Git works on the text of manifests: diff.theta.command" in repository.theta("doctor").stdout
    repository.theta("install", "--local")
    assert "ok: drivers\n" in repository.theta("doctor").stdout


def test_the_hook_is_missing_or_switched_off(repository: Sandbox) -> None:
    hook = repository.root / ".git/hooks/pre-push"
    hook.unlink()
    assert "is missing, so pushes upload no objects" in problems(repository)["pre-push hook"]["text"]
    repository.theta("install", "--local")
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o644)
    assert "is switched off" in problems(repository)["pre-push hook"]["text"]


def test_a_repository_that_tracks_nothing_needs_no_hook(sandbox: Sandbox) -> None:
    (sandbox.root / ".git/hooks/pre-push").unlink()
    assert problems(sandbox) == {}


def test_manifests_stand_in_the_worktree(repository: Sandbox) -> None:
    (repository.root / "a.safetensors").unlink()
    repository.git("checkout", "--", ".", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    assert problems(repository)["worktree"]["text"] == "manifests stand in the worktree: a.safetensors"
    repository.theta("checkout")
    assert problems(repository) == {}


def test_tracked_files_are_committed_raw(repository: Sandbox) -> None:
    for number in range(5):
        repository.write(f"raw {number}.bin", model(number))
    repository.commit()
    repository.theta("track", "*.bin")
    text = problems(repository)["index"]["text"]
    assert text.endswith("'raw 0.bin', 'raw 1.bin', 'raw 2.bin' and 2 more")
    command = problems(repository)["index"]["hint"].rpartition("git add ")[2]
    repository.run("sh", "-c", f"git add {command}")
    assert problems(repository) == {}


def test_a_hook_of_somebody_else_that_runs_us_is_no_problem(repository: Sandbox) -> None:
    repository.write(".git/hooks/pre-push", b"#!/usr/bin/fish\ngit theta pre-push $argv\n")
    assert problems(repository) == {}


def test_manifests_that_no_pattern_tracks(repository: Sandbox) -> None:
    repository.git("rm", "--quiet", "--force", ".gitattributes")
    found = problems(repository)["patterns"]
    assert found["text"] == "manifests in the index that no pattern tracks: a.safetensors"
    repository.theta("track", "*.safetensors")
    assert problems(repository) == {}


def test_a_damaged_manifest_is_not_to_be_renormalized(repository: Sandbox) -> None:
    repository.write("a.safetensors", b"git-theta manifest 1\n{}\n")
    oid = repository.git("hash-object", "-w", "--no-filters", "a.safetensors").stdout.strip()  # `git add` refuses it
    repository.git("update-index", "--cacheinfo", f"100644,{oid},a.safetensors")
    repository.commit()
    found = problems(repository)["index"]
    assert "renormalize" not in found["hint"]
    assert "Take the file from another commit" in found["hint"]
    status = repository.theta("status").stdout
    assert "not a valid manifest: the key 'format' is missing" in status
    assert "renormalize" not in status


RULES = {
    "sub/.gitattributes": ("* text=auto eol=crlf", "text=auto"),
    "info": ("*.safetensors text", "text (info/attributes)"),
    ".gitattributes": ("sub/** ident", "ident"),
    "sub/deep/.gitattributes": ("m.* -text working-tree-encoding=UTF-16", "working-tree-encoding=UTF-16"),
    "macro": ("[attr]words text eol=crlf\nsub/** words", "text (.gitattributes)"),
}


@pytest.mark.parametrize(("place", "line", "said"), [(key, rule[0], rule[1]) for key, rule in RULES.items()], ids=RULES)
def test_attributes_that_convert_manifests_and_the_file_that_says_so(
    repository: Sandbox, place: str, line: str, said: str
) -> None:
    repository.write("sub/deep/m.safetensors", model(1))
    repository.commit()
    name = {"info": ".git/info/attributes", "macro": ".gitattributes"}.get(place, place)
    file = repository.root / name
    file.parent.mkdir(exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}{line}\n")
    text = problems(repository)["conversions"]["text"]
    assert said in text
    assert f"({name.removeprefix('.git/')})" in text
    assert "sub/deep/m.safetensors" in text
    with file.open("a") as lines:
        lines.write("*.safetensors -text -ident !working-tree-encoding\n")
    assert problems(repository) == {}


def test_a_line_without_text_leaves_it_to_the_configuration(repository: Sandbox) -> None:
    repository.write(".gitattributes", b"*.safetensors filter=theta diff=theta merge=theta\n")
    for harmless in ("false", "input", "0"):
        repository.git("config", "core.autocrlf", harmless)
        assert problems(repository) == {}
    repository.git("config", "core.autocrlf", "true")
    assert problems(repository)["conversions"]["text"].startswith("Git converts tracked files: core.autocrlf (the conf")


def test_an_empty_file_is_in_order(repository: Sandbox) -> None:
    repository.write("empty.safetensors", b"")
    repository.commit()
    assert problems(repository) == {}
    assert "empty.safetensors\tmaterialised\t0 B\n" in repository.theta("status").stdout
    assert "empty.safetensors\t0 B\n" in repository.theta("ls-files").stdout


@pytest.mark.parametrize("folder", ["theta", "theta/objects", "theta/tmp"])
def test_the_store_cannot_be_written(repository: Sandbox, folder: str) -> None:
    """A file in the folder's place: permissions mean nothing to root."""
    path = repository.root / ".git" / folder
    shutil.rmtree(path)
    path.write_bytes(b"")
    assert f"cannot write to {path}" in problems(repository)["store"]["text"]


def test_a_store_that_nobody_brings_is_a_problem_of_the_store(repository: Sandbox) -> None:
    repository.git("config", "theta.store", "no-such")
    found = problems(repository)["store"]
    assert found["text"] == "no store is called 'no-such' here"
    assert "Installed: local" in found["hint"]


def test_an_alternate_is_gone(repository: Sandbox, tmp_path: Path) -> None:
    repository.theta("install", "--global")
    repository.git("config", "--global", "gc.auto", "0")
    clone = Sandbox.clone(repository, tmp_path / "clone", "--reference", str(repository.root))
    assert problems(clone) == {}
    lent = Sandbox.clone(repository, tmp_path / "lent", "--bare")
    (clone.root / ".git/objects/info/alternates").write_text(f"{repository.root}/.git/objects\n{lent.root}/objects\n")
    shutil.rmtree(lent.root)
    assert problems(clone)["alternates"]["text"] == f"gone: {lent.root}"


def test_a_remote_is_gone_and_its_place_is_still_configured(repository: Sandbox) -> None:
    repository.git("remote", "add", "hub", "https://hub.example/models.git")
    for name in ("hub", "https://other.example/x.git"):
        repository.git("config", f"theta.remote.{name}.url", "s3://bucket/models")
    repository.git("config", "--global", "theta.remote.elsewhere.url", "s3://bucket/others")
    assert find_note(repository, "remotes")["state"] == "ok"
    repository.git("remote", "remove", "hub")
    found = find_note(repository, "remotes")
    assert found["text"] == "it is configured where the objects of hub go, and no remote is called so"
    repository.git(*found["hint"].splitlines()[-1].partition(": git ")[2].split())
    assert find_note(repository, "remotes")["state"] == "ok"


def test_git_is_too_old(repository: Sandbox, tmp_path: Path) -> None:
    real = shutil.which("git")
    script = f'case "$1" in --version) echo git version 2.30.2;; *) exec {real} "$@";; esac'
    old = program(tmp_path / "bin", "git", script)
    done = repository.run("git-theta", "doctor", "--json", env=old, check=False)
    [found] = [one for one in json.loads(done.stdout) if one["check"] == "git"]
    assert (found["state"], found["text"]) == ("problem", "git version 2.30.2 is older than 2.34")


def test_git_lfs_is_not_needed(repository: Sandbox, tmp_path: Path) -> None:
    without = program(tmp_path / "bin", "git-lfs", "exit 1")
    done = repository.run("git-theta", "doctor", "--json", env=without)
    [found] = [one for one in json.loads(done.stdout) if one["check"] == "git-lfs"]
    assert found["state"] == "note"


def test_git_lfs_is_needed_for_a_remote_that_speaks_it(repository: Sandbox, tmp_path: Path) -> None:
    without = program(tmp_path / "bin", "git-lfs", "exit 1")
    repository.git("remote", "add", "hub", "https://example.com/model.git")
    done = repository.run("git-theta", "doctor", "--json", env=without, check=False)
    [found] = [one for one in json.loads(done.stdout) if one["check"] == "git-lfs"]
    assert found["state"] == "problem" and "hub" in found["text"]
    assert "git config theta.remote.hub.transport git" in found["hint"]
    repository.git("config", "theta.remote.hub.transport", "git")
    done = repository.run("git-theta", "doctor", "--json", env=without)
    assert [one["state"] for one in json.loads(done.stdout) if one["check"] == "git-lfs"] == ["note"]


def test_a_plug_in_where_the_filter_does_not_look(repository: Sandbox, tmp_path: Path) -> None:
    install(tmp_path / "site", "fake", "[git_theta.plugins.formats]\nfake = fake:Fake\n", FORMAT)
    env = {"PYTHONPATH": str(tmp_path / "site")}
    done = repository.theta("doctor", "--json", env=env, check=False)
    assert done.returncode == 1
    [found] = [one for one in json.loads(done.stdout) if one["state"] == "problem"]
    assert found["check"] == "plug-ins"
    assert found["text"].startswith(f"formats fake: not seen by the filter: it lies in {tmp_path / 'site'} (PYTHONPATH")
    assert found["hint"].endswith("-m pip install fake")
