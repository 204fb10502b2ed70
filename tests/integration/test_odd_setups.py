"""Repositories and clients that are set up as few are: each is served, or told what is the matter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.manifest.text import encode_manifest, is_manifest
from tests.faults import faulty_process
from tests.integration.checkpoint_history import assert_clean, assert_file
from tests.sandbox import Sandbox, changed, model, track_and_commit

pytestmark = pytest.mark.genuine  # how Git is run, and what it starts, is what these are about

MODEL = "model.safetensors"


@pytest.fixture
def committed(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {MODEL: model()})


@pytest.fixture
def big(sandbox: Sandbox) -> Sandbox:
    """A checkpoint that is written when Git has hung up, by ``git theta checkout`` alone."""
    track_and_commit(sandbox, {MODEL: model(1, weight=(3000, 1000))})
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL, env={"GIT_THETA_SKIP_SMUDGE": "1"})
    return sandbox


@pytest.mark.parametrize("where", ["outside", "inside .git"])
@pytest.mark.parametrize("relative", [True, False])
def test_git_dir_and_work_tree_on_the_command_line(
    committed: Sandbox, tmp_path: Path, where: str, relative: bool
) -> None:
    here = Sandbox(committed.root / ".git" if where == "inside .git" else tmp_path / "elsewhere")
    here.root.mkdir(exist_ok=True)
    top = Path(os.path.relpath(committed.root, here.root)) if relative else committed.root
    options = [f"--git-dir={top / '.git'}", f"--work-tree={top}"]
    said = here.git(*options, "theta", "status").stdout
    assert said.startswith(f"{os.path.relpath(committed.root / MODEL, here.root)}\tmaterialised")
    assert "parameters  3, " in here.git(*options, "theta", "show", f":{MODEL}").stdout
    assert here.git(*options, "theta", "diff", "HEAD", "--").stdout == ""
    (committed.root / MODEL).unlink()
    committed.git("checkout", "--", MODEL, env={"GIT_THETA_SKIP_SMUDGE": "1"})
    here.git(*options, "theta", "checkout")
    assert_file(committed, MODEL, model())


def packet(*lines: str) -> bytes:
    return b"".join(b"%04x%b\n" % (len(line) + 5, line.encode()) for line in lines) + b"0000"


def raw(content: bytes) -> bytes:
    pieces = [content[at : at + 65516] for at in range(0, len(content), 65516)]
    return b"".join(b"%04x%b" % (len(piece) + 4, piece) for piece in pieces) + b"0000"


def filtered(sandbox: Sandbox, command: str, content: bytes) -> bytes:
    """What the filter answers to a client that does not name the file, as dulwich does not."""
    sent = [
        packet("git-filter-client", "version=2"),
        packet("capability=clean", "capability=smudge"),
        packet(f"command={command}", "pathname="),
        raw(content),
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "git_theta.cli.filter_process"],
        cwd=sandbox.root,
        input=b"".join(sent),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    left, found = done.stdout, []
    while left:
        size = max(4, int(left[:4], 16))
        found.append(left[4:size])
        left = left[size:]
    assert b"status=success\n" in found
    return b"".join(found[found.index(b"status=success\n") + 1 :])


def test_a_client_that_does_not_name_the_file(committed: Sandbox) -> None:
    text = committed.git("cat-file", "blob", f":{MODEL}").stdout.encode()
    assert filtered(committed, "clean", model()) == text
    assert filtered(committed, "smudge", text) == model()
    large = model(5, weight=(3000, 1000))
    manifest = filtered(committed, "clean", large)
    assert is_manifest(manifest)
    assert filtered(committed, "smudge", manifest) == large
    assert_clean(committed)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP])
def test_checkout_that_is_ended_leaves_nothing(big: Sandbox, sign: signal.Signals) -> None:
    marker = big.root.parent / "marker"
    target = "git_theta.operations.restoring.materialise:_write_all"
    words = ["theta", target, "before", "1", "pause", str(marker), "checkout"]
    process = subprocess.Popen(
        [sys.executable, "-I", faulty_process.__file__, *words],
        cwd=big.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    faulty_process.wait_for(marker, 60)
    process.send_signal(sign)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list((big.root / ".git/theta/tmp").iterdir()) == []
    assert is_manifest(big.read(MODEL))


def test_what_a_killed_checkout_left_is_swept_where_nothing_is_added(big: Sandbox) -> None:
    marker = big.root.parent / "marker"
    words = ["theta", "git_theta.operations.restoring.materialise:_write_all", "after", "1", "kill", str(marker)]
    subprocess.run([sys.executable, "-I", faulty_process.__file__, *words, "checkout"], cwd=big.root, check=False)
    (left,) = (big.root / ".git/theta/tmp").iterdir()
    assert left.stat().st_size
    os.utime(left, (time.time() - 3600,) * 2)
    big.theta("status")
    assert not left.exists()


def test_resolve_that_is_killed_leaves_nothing_in_the_worktree(committed: Sandbox) -> None:
    for seed, branch in enumerate(["side", "main"]):
        committed.git("switch", "--quiet", *(["--create"] if branch == "side" else []), branch)
        committed.write(MODEL, changed(model(), "layer.bias", bytes([seed] * 4)))
        committed.commit(branch)
    assert committed.git("merge", "side", check=False).returncode == 1
    marker = committed.root.parent / "marker"
    words = ["theta", "git_theta.vcs.atomic:_mode_for", "before", "1", "kill", str(marker), "resolve", "--theirs"]
    subprocess.run([sys.executable, "-I", faulty_process.__file__, *words], cwd=committed.root, check=False)
    assert marker.exists()
    assert sorted(path.name for path in committed.root.iterdir()) == [".git", ".gitattributes", MODEL]


def test_track_that_is_killed_leaves_nothing_in_the_worktree(sandbox: Sandbox) -> None:
    marker = sandbox.root.parent / "marker"
    words = ["theta", "git_theta.vcs.atomic:_mode_for", "before", "1", "kill", str(marker), "track", "*.pt"]
    subprocess.run([sys.executable, "-I", faulty_process.__file__, *words], cwd=sandbox.root, check=False)
    assert marker.exists()
    assert [path.name for path in sandbox.root.iterdir()] == [".git"]


def forged(claimed: int) -> bytes:
    """A manifest that names one small object until it claims so many bytes."""
    size = 1 << 26
    oid = "a" * 64
    storage = Storage(Coding("dense", "planes"), Place("b" * 64, 150))
    entries = [Entry(oid, size, storage, f"p{number}", "U8", (size,)) for number in range(claimed // size)]
    return encode_manifest(Manifest("safetensors", size * len(entries), tuple(entries)))


def test_a_manifest_that_claims_too_much_is_not_written_unasked(committed: Sandbox) -> None:
    text = forged(60 << 30)
    (committed.root / MODEL).write_bytes(text)
    committed.commit("forged")
    (committed.root / MODEL).unlink()
    done = committed.git("checkout", "--", MODEL)
    assert "claims 64.4 GB, of which 150 B are stored" in done.stderr
    assert committed.read(MODEL) == text
    unasked = committed.theta("checkout", check=False)
    assert unasked.returncode != 0
    assert f"git theta checkout {MODEL}" in unasked.stderr
    asked = committed.theta("checkout", MODEL, check=False)
    assert "claims" not in asked.stderr
    assert "missing" in asked.stderr, "somebody who names it is believed, and the object is not here"


def test_names_that_differ_in_case_from_the_pattern_are_told(committed: Sandbox) -> None:
    committed.write("M.SAFETENSORS", model())
    assert "upper from lower case: M.SAFETENSORS" in committed.theta("status").stderr
    committed.git("add", "M.SAFETENSORS")
    assert "M.SAFETENSORS" in committed.theta("status").stderr
    assert "upper from lower case: M.SAFETENSORS" in committed.theta("doctor").stdout
    committed.theta("track", "*.SAFETENSORS")
    assert "M.SAFETENSORS" not in committed.theta("status").stderr.replace("renormalize", "")


@pytest.mark.parametrize("command", [["log"], ["blame", MODEL], ["doctor"], ["diff", "v0", "v2"]])
def test_a_partial_clone_fetches_in_few_steps(
    committed: Sandbox, tmp_path: Path, home: Path, command: list[str]
) -> None:
    for number in range(12):
        committed.git("tag", f"v{number}")
        committed.write(MODEL, changed(model(), "layer.bias", bytes([number] * 4)))
        committed.commit(str(number))
    committed.git("config", "uploadpack.allowFilter", "true")
    committed.git("config", "uploadpack.allowAnySHA1InWant", "true")
    Sandbox(tmp_path).theta("install", "--global")
    clone = Sandbox.clone(f"file://{committed.root}", tmp_path / "clone", "--filter=blob:none")
    trace = tmp_path / "trace"
    clone.theta(*command, check=False, env={"GIT_TRACE2_EVENT": str(trace)})
    fetches = sum('"child_start"' in line and "upload-pack" in line for line in trace.read_text().splitlines())
    assert 1 <= fetches <= 3


@pytest.mark.parametrize("option", ["literal", "glob", "noglob", "icase"])
def test_git_that_is_told_how_to_read_pathspecs(committed: Sandbox, option: str) -> None:
    """As Magit tells it (``git --literal-pathspecs``), for every command: our questions to Git are not the person's."""
    told = f"--{option}-pathspecs"
    committed.write("sub/.gitattributes", b"[m].pt filter=theta diff=theta merge=theta -text\n")
    committed.commit("attributes")
    committed.git("switch", "--quiet", "-c", "topic")
    committed.write(MODEL, changed(model(), "layer.bias"))
    committed.git(told, "commit", "-aqm", "topic")
    committed.git(told, "switch", "--quiet", "main")
    committed.write(MODEL, changed(model(), "embed.weight"))
    committed.git(told, "commit", "-aqm", "main")
    assert "sub/.gitattributes" in committed.git(told, "theta", "track").stdout
    committed.git(told, "theta", "relayout", MODEL)
    test = ["--good", "main~1", "--bad", "topic", "--run", f'cmp "$1" {MODEL}', MODEL]
    assert "first bad version" in committed.git(told, "theta", "bisect", *test).stdout
    committed.git(told, "merge", "--quiet", "--no-edit", "topic")
    assert_file(committed, MODEL, changed(changed(model(), "embed.weight"), "layer.bias"))
    assert_clean(committed)


def test_history_is_rewritten_where_bare_repositories_have_to_be_named(committed: Sandbox) -> None:
    committed.git("config", "--global", "safe.bareRepository", "explicit")
    committed.git("theta", "migrate", "export")
    assert committed.git("cat-file", "-s", f"HEAD:{MODEL}").stdout.strip() == str(len(model()))
    assert_file(committed, MODEL, model())


def test_a_merge_is_committed_and_pushed_where_tmpdir_is_gone(committed: Sandbox, tmp_path: Path) -> None:
    """As a job of a cluster leaves its shell: Git needs no $TMPDIR for that, and our hooks need none either."""
    gone = {"TMPDIR": f"{tmp_path}/gone"}
    bare = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    committed.git("switch", "--quiet", "-c", "topic")
    committed.write(MODEL, changed(model(), "layer.bias"))
    committed.commit("topic")
    committed.git("switch", "--quiet", "main")
    committed.git("merge", "--quiet", "--no-ff", "--no-edit", "topic", env=gone)
    committed.git("push", "--quiet", bare.root, "main", env=gone)
    assert len(list((bare.root / "theta/objects").glob("*/*/*"))) > 0
    assert not list((committed.root / ".git").glob("theta-refs.*"))
