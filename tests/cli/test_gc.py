"""``git theta gc`` deletes what nothing needs, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults import faulty_process
from tests.faults.harness import CONVERSATION
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.two_branches import contested

PATH = "a.safetensors"
FIRST = model(0, weight=(600, 600), bias=30)
SECOND, THIRD = changed(FIRST, "weight"), changed(FIRST, "weight", at=8)
DAY = 24 * 3600


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {PATH: FIRST})


def stored(sandbox: Sandbox) -> set[str]:
    """The ids of all objects."""
    folder = sandbox.root / (".git/theta" if (sandbox.root / ".git").exists() else "theta")
    return {file.name for file in folder.glob("objects/??/??/*")}


def age(sandbox: Sandbox, days: float = 100) -> None:
    """Have all objects look so old."""
    moment = time.time() - days * DAY
    for file in (sandbox.root / ".git/theta/objects").glob("??/??/*"):
        os.utime(file, (moment, moment))


def forget(sandbox: Sandbox) -> None:
    """Have Git forget what no ref names."""
    sandbox.git("reflog", "expire", "--expire=now", "--all")
    for name in ("ORIG_HEAD", "FETCH_HEAD", "AUTO_MERGE"):
        (sandbox.root / ".git" / name).unlink(missing_ok=True)


def collect(sandbox: Sandbox, *options: str) -> Any:
    return json.loads(sandbox.theta("gc", "--json", *options).stdout)


def drop_second(sandbox: Sandbox) -> set[str]:
    """Commit a second version and drop it; the objects that it alone had, which are old."""
    before = stored(sandbox)
    sandbox.write(PATH, SECOND)
    sandbox.commit("second")
    sandbox.git("reset", "-q", "--hard", "HEAD~")
    forget(sandbox)
    age(sandbox)
    return stored(sandbox) - before


def test_what_nothing_needs_is_deleted(repository: Sandbox) -> None:
    kept, dropped = stored(repository), drop_second(repository)
    assert dropped
    told = collect(repository, "--dry-run")
    assert (told["dry_run"], set(told["deleted"]["ids"])) == (True, dropped)
    assert stored(repository) == kept | dropped
    told = collect(repository)
    assert (told["dry_run"], set(told["deleted"]["ids"])) == (False, dropped)
    assert told["needed"]["objects"] == len(kept)
    assert stored(repository) == kept
    assert repository.theta("fsck").returncode == 0
    assert collect(repository)["deleted"] == {"objects": 0, "bytes": 0, "ids": []}


def test_it_says_what_it_did_in_words(repository: Sandbox) -> None:
    [dropped] = drop_second(repository)
    done = repository.theta("gc", "--dry-run", "-v")
    assert done.stdout.startswith(f"{dropped}\t")
    assert "1 object, " in done.stdout
    assert "would be deleted" in done.stdout
    done = repository.theta("gc")
    assert " deleted\n" in done.stdout
    assert "would" not in done.stdout
    assert " needed\n" in done.stdout
    assert done.stderr == ""


def test_what_is_young_stays_for_two_weeks(repository: Sandbox) -> None:
    dropped = drop_second(repository)
    age(repository, 13)
    told = collect(repository)
    assert (told["deleted"]["ids"], set(told["young"]["ids"])) == ([], dropped)
    assert "too young" in repository.theta("gc").stdout
    assert set(collect(repository, "--grace", "12.days")["deleted"]["ids"]) == dropped


@pytest.mark.parametrize(
    ("grace", "goes"), [("now", True), ("never", False), ("15 days ago", True), ("101.days", False)]
)
def test_ages_are_words_of_git(repository: Sandbox, grace: str, goes: bool) -> None:
    dropped = drop_second(repository)
    assert set(collect(repository, "--grace", grace)["deleted"]["ids"]) == (dropped if goes else set())


def test_a_word_that_is_no_age_is_refused(repository: Sandbox) -> None:
    done = repository.theta("gc", "--grace", "a while", check=False)
    assert done.returncode == 2
    assert "is no date" in done.stderr


def test_what_was_added_again_is_young_again(repository: Sandbox) -> None:
    """The clean cache and the state database know it; Git does not yet, if it is killed in between."""
    dropped = drop_second(repository)
    repository.write(PATH, SECOND)
    repository.git("add", PATH)
    repository.git("reset", "-q")
    told = collect(repository)
    assert (told["deleted"]["ids"], set(told["young"]["ids"])) == ([], dropped)


def test_what_an_unfinished_add_has_stored_stays(repository: Sandbox) -> None:
    """Stored, and nothing recorded: the index was locked."""
    kept = stored(repository)
    repository.write(PATH, SECOND)
    blob = repository.git("hash-object", "-w", "--path", PATH, PATH).stdout.strip()
    new = stored(repository) - kept
    assert set(collect(repository)["young"]["ids"]) == new
    age(repository)
    repository.git("hash-object", "-w", "--path", PATH, PATH)
    assert set(collect(repository)["young"]["ids"]) == new
    repository.git("update-index", "--cacheinfo", f"100644,{blob},{PATH}")
    age(repository)
    assert collect(repository, "--grace", "now")["deleted"]["ids"] == []
    (repository.root / PATH).unlink()
    repository.git("checkout", "--", PATH)
    assert repository.read(PATH) == SECOND


def test_without_grace_it_keeps_what_is_added_while_it_looks(repository: Sandbox) -> None:
    dropped, marker = drop_second(repository), repository.root.parent / "marker"
    target = "git_theta.repository.keeping.garbage_collection:collect_garbage"
    words = ["theta", target, "before", "1", "pause", str(marker), "gc", "--grace", "now"]
    command = faulty_process.command_words(*words)
    with subprocess.Popen(command, cwd=repository.root, stdout=subprocess.PIPE, text=True) as process:
        faulty_process.wait_for(marker, CONVERSATION)
        repository.write(PATH, SECOND)
        repository.git("add", PATH)
        marker.unlink()
        printed, _ = process.communicate(timeout=CONVERSATION)
    assert process.returncode == 0
    assert printed.startswith("0 objects")
    assert dropped <= stored(repository)
    assert repository.theta("fsck").returncode == 0


@pytest.mark.parametrize("command", [["add"], ["commit", "-qm", "m"], ["stash", "push", "-q"]], ids=" ".join)
def test_without_grace_it_leaves_alone_what_a_running_git_has_stored(command: list[str], repository: Sandbox) -> None:
    """The filter has stored all, and waits with its answer."""
    marker, stage = repository.root.parent / "marker", "git_theta.store.local:LocalStore.sync"
    process = faulty_process.command("fault", stage, "after", "1", "pause", marker)
    repository.write(PATH, SECOND)
    words = ["git", "-c", f"filter.theta.process={process}", *command, "--", PATH]
    with subprocess.Popen(words, cwd=repository.root, stderr=subprocess.DEVNULL) as git:
        faulty_process.wait_for(marker, CONVERSATION)
        done = repository.theta("gc", "--grace", "30.minutes", check=False)
        assert done.returncode == 2
        assert "Git is at work here" in done.stderr and str(repository.root / ".git") in done.stderr
        assert "--grace 1.hour" in done.stderr
        assert repository.theta("gc", "--grace", "1.hour").stdout.startswith("0 objects")
        assert repository.theta("gc", "--grace", "now", "--dry-run").returncode == 0
        marker.unlink()
    assert git.returncode == 0
    assert repository.theta("gc", "--grace", "now").stdout.startswith("0 objects")
    assert repository.theta("fsck").returncode == 0


def test_what_was_deleted_is_stored_again_when_it_comes_back(repository: Sandbox) -> None:
    """Neither the state database nor the clean cache are believed about what is gone."""
    repository.write("b.safetensors", SECOND)
    repository.git("add", "b.safetensors")
    new = stored(repository)
    repository.git("rm", "-q", "--cached", "b.safetensors")
    forget(repository)
    assert collect(repository, "--grace", "now")["deleted"]["objects"] > 0
    repository.git("add", "b.safetensors")
    assert stored(repository) == new
    (repository.root / "b.safetensors").unlink()
    repository.git("checkout", "--", "b.safetensors")
    assert repository.read("b.safetensors") == SECOND


def test_a_state_that_still_believes_in_what_is_gone_misleads_nobody(repository: Sandbox) -> None:
    """Killed between the two, or the database was locked: the store is asked."""
    dropped = drop_second(repository)
    state = repository.root / ".git/theta/state.sqlite"
    before = {file.name: file.read_bytes() for file in state.parent.glob("state.sqlite*")}
    collect(repository, "--grace", "now")
    for name, content in before.items():
        (state.parent / name).write_bytes(content)
    repository.write(PATH, SECOND)
    repository.commit("second again")
    assert dropped <= stored(repository)
    assert repository.theta("fsck").returncode == 0


def test_what_a_rebase_would_go_back_to_stays(repository: Sandbox) -> None:
    repository.git("switch", "-qc", "side")
    repository.write(PATH, SECOND)
    repository.write("note.txt", b"side")
    repository.commit("side")
    repository.git("switch", "-q", "main")
    repository.write("note.txt", b"main")
    repository.commit("main")
    assert repository.git("rebase", "-q", "main", "side", check=False).returncode != 0
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("update-ref", "-d", "refs/heads/side")
    assert collect(repository, "--grace", "now")["deleted"]["ids"] == []
    repository.git("branch", "side", (repository.root / ".git/rebase-merge/orig-head").read_text().strip())
    repository.git("rebase", "--abort")
    assert repository.read(PATH) == SECOND


def test_what_a_conflict_has_computed_stays(sandbox: Sandbox) -> None:
    """One parameter is averaged, one waits for a person: the average stands in the note alone."""
    policy = b'[[merge]]\nparameters = ["layer.weight"]\nstrategy = "average"\n'
    contested(sandbox, "layer.weight", "embed.weight")
    sandbox.write(".theta.toml", policy)
    sandbox.commit("a policy")
    assert sandbox.git("merge", "side", check=False).returncode != 0
    sandbox.git("reflog", "expire", "--expire=now", "--all")
    assert collect(sandbox, "--grace", "now", "--forget-merges")["deleted"]["ids"] == []
    sandbox.theta("resolve", "--theirs")
    sandbox.git("commit", "-qm", "merged")
    assert sandbox.theta("fsck").returncode == 0


def test_what_a_merge_has_computed_is_remembered_for_a_while(sandbox: Sandbox) -> None:
    contested(sandbox)
    before = stored(sandbox)
    sandbox.theta("merge", "-s", "average", "side")
    results = stored(sandbox) - before
    sandbox.git("reset", "-q", "--hard", "ours")
    forget(sandbox)
    age(sandbox, 30)
    told = collect(sandbox)
    remembered = set(told["remembered"]["ids"])
    assert remembered
    assert remembered <= results
    assert "--forget-merges" in sandbox.theta("gc").stdout
    assert remembered <= set(collect(sandbox, "--forget-merges", "--dry-run")["deleted"]["ids"])
    assert set(collect(sandbox)["remembered"]["ids"]) == remembered
    age(sandbox, 61)
    assert set(collect(sandbox)["deleted"]["ids"]) == remembered
    sandbox.theta("merge", "-s", "average", "side")
    assert sandbox.theta("fsck").returncode == 0


def test_merges_can_be_forgotten_at_once(sandbox: Sandbox) -> None:
    contested(sandbox)
    before = stored(sandbox)
    sandbox.theta("merge", "-s", "average", "side")
    sandbox.git("reset", "-q", "--hard", "ours")
    forget(sandbox)
    collect(sandbox, "--grace", "now", "--forget-merges")
    assert stored(sandbox) == before


def test_nothing_is_deleted_when_a_manifest_cannot_be_read(repository: Sandbox) -> None:
    drop_second(repository)
    before = stored(repository)
    text = repository.git("show", f"HEAD:{PATH}").stdout
    broken = repository.git("hash-object", "-w", "--stdin", input=text[:-9] + "\n").stdout.strip()
    repository.git("update-index", "--add", "--cacheinfo", f"100644,{broken},b.txt")
    done = repository.theta("gc", "--grace", "now", check=False)
    assert done.returncode == 5
    assert "b.txt" in done.stderr
    assert broken in done.stderr
    assert "Nothing is deleted" in done.stderr
    assert stored(repository) == before


def test_what_a_remote_has_not_got_stays(repository: Sandbox, tmp_path: Path) -> None:
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    repository.git("remote", "add", "origin", remote.root)
    repository.write(PATH, SECOND)
    repository.commit("pushed")
    repository.git("push", "-q", "origin", "main")
    pushed = stored(repository)
    repository.write(PATH, THIRD)
    repository.commit("never pushed")
    repository.git("reset", "-q", "--hard", "HEAD~2")
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    forget(repository)
    age(repository)
    told = collect(repository, "--verify-remote")
    assert told["deleted"]["objects"] == 1
    assert set(told["deleted"]["ids"]) <= pushed
    assert told["unproven"]["objects"] == 1
    assert not set(told["unproven"]["ids"]) & pushed
    assert "origin lacks" in repository.theta("gc", "--verify-remote").stdout
    assert stored(repository) >= set(told["unproven"]["ids"])


@pytest.mark.parametrize("url", [".", "../repository", "../repository/.git"])
def test_this_repository_proves_nothing(repository: Sandbox, url: str) -> None:
    drop_second(repository)
    before = stored(repository)
    repository.git("remote", "add", "self", url)
    done = repository.theta("gc", "--verify-remote", "self", check=False)
    assert done.returncode == 2
    assert "self is this repository" in done.stderr
    assert stored(repository) == before


def test_a_remote_that_cannot_be_asked_proves_nothing(repository: Sandbox, tmp_path: Path) -> None:
    drop_second(repository)
    before = stored(repository)
    repository.git("remote", "add", "origin", tmp_path / "nowhere")
    assert repository.theta("gc", "--verify-remote", check=False).returncode == 9
    assert repository.theta("gc", "--verify-remote", "nobody", check=False).returncode == 2
    assert stored(repository) == before


def test_what_is_borrowed_is_left_alone(repository: Sandbox, tmp_path: Path) -> None:
    drop_second(repository)
    clone = Sandbox.clone(repository, tmp_path / "clone", "--shared")
    before = {file: file.stat().st_mtime_ns for file in (repository.root / ".git/theta/objects").glob("??/??/*")}
    told = collect(clone, "--grace", "now")
    assert told["deleted"]["ids"] == []
    assert told["needed"]["objects"] == 0
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_what_is_known_to_be_lent_is_left_alone(repository: Sandbox, tmp_path: Path) -> None:
    drop_second(repository)
    before = stored(repository)
    clone = Sandbox.clone(repository, tmp_path / "clone", "--shared", "--no-checkout")
    repository.git("remote", "add", "clone", clone.root)
    done = repository.theta("gc", "--grace", "now", check=False)
    assert done.returncode == 2
    assert "clone borrows the objects" in done.stderr
    repository.git("remote", "remove", "clone")
    repository.git("config", "core.repositoryFormatVersion", "1")
    repository.git("config", "extensions.preciousObjects", "true")
    done = repository.theta("gc", "--grace", "now", check=False)
    assert done.returncode == 2
    assert "preciousObjects" in done.stderr
    assert stored(repository) == before


def test_a_bare_repository(repository: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    repository.git("remote", "add", "origin", bare.root)
    repository.git("push", "-q", "origin", "main")
    kept = stored(bare)
    repository.write(PATH, SECOND)
    repository.commit("second")
    repository.git("push", "-q", "origin", "main:side")
    assert collect(bare, "--grace", "now")["deleted"]["ids"] == []
    bare.git("update-ref", "-d", "refs/heads/side")
    assert collect(bare)["deleted"]["ids"] == []
    assert collect(bare, "--grace", "now")["deleted"]["objects"] == 1
    assert stored(bare) == kept
    repository.git("push", "-q", "origin", "main:side")
    assert len(stored(bare)) == len(kept) + 1


def test_a_push_of_what_is_there_makes_it_young(repository: Sandbox, tmp_path: Path) -> None:
    """Nothing needs it there yet, and its refs come last."""
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    repository.git("remote", "add", "origin", bare.root)
    repository.git("push", "-q", "origin", "main")
    bare.git("update-ref", "-d", "refs/heads/main")
    for file in bare.root.glob("theta/objects/??/??/*"):
        os.utime(file, (time.time() - 100 * DAY,) * 2)
    assert collect(bare, "--dry-run")["deleted"]["objects"] > 0
    repository.theta(
        "pre-push", "origin", str(bare.root), input=f"refs/heads/main {_head(repository)} refs/heads/x {'0' * 40}\n"
    )
    assert collect(bare)["deleted"]["ids"] == []


def _head(sandbox: Sandbox) -> str:
    return sandbox.git("rev-parse", "HEAD").stdout.strip()


def test_a_submodule_has_a_store_of_its_own(repository: Sandbox, tmp_path: Path) -> None:
    outer = Sandbox.create(tmp_path / "outer")
    outer.git("submodule", "--quiet", "add", repository.root, "sub")
    track_and_commit(outer, {"b.safetensors": model(7)})
    inner = Sandbox(outer.root / "sub")
    inner.theta("install", "--local")
    folder = outer.root / ".git/modules/sub/theta/objects"
    inner.git("checkout", "-q", "HEAD", "--", ".")
    inner.theta("fetch")
    inner.theta("checkout")
    before = {file.name for file in folder.glob("??/??/*")}
    assert before
    assert collect(outer, "--grace", "now")["deleted"]["ids"] == []
    assert {file.name for file in folder.glob("??/??/*")} == before
    assert collect(inner, "--grace", "now")["needed"]["objects"] == len(before)


def test_prune_sends_to_gc(repository: Sandbox) -> None:
    done = repository.theta("prune", check=False)
    assert done.returncode == 2
    assert "git theta gc" in done.stderr
