"""Strategies that read files of each head's commit: by git theta merge, git merge, rebase, cherry-pick and resolve."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.command_server import fork_programs_of
from tests.docs.test_how_to import FENCE, PAGE
from tests.installed_plugins import make_interpreter
from tests.sandbox import Sandbox, safetensors_bytes

MODEL, FISHER = "model.safetensors", "model.fisher.safetensors"
STRATEGY = "fisher-mean"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has git-theta, and the strategy of the how-to."""
    folder = tmp_path_factory.mktemp("installed")
    (text,) = (text for name, text in FENCE.findall(PAGE) if name == "fisher_mean.py")
    source = folder / "source.py"
    source.write_text(text)
    points = "[git_theta.plugins.merges]\nfisher-mean = fisher_mean:FISHER_MEAN\n"
    python = make_interpreter(folder, "fisher_mean", str(source), points)
    fork_programs_of(python)
    return python


@pytest.fixture
def sandbox(python: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    """A repository whose git-theta is that interpreter's."""
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    made = Sandbox.create(tmp_path / "repository", install=False)
    made.theta("install", "--local")
    made.theta("track", "*.safetensors")
    return made


def checkpoint(**values: float) -> bytes:
    """Tensors of four equal numbers."""
    return safetensors_bytes(
        {name: ("F32", (4,), np.full(4, value, "<f4").tobytes()) for name, value in values.items()}
    )


def fork(sandbox: Sandbox, *, fisher: bool = True, folder: str = "", companion: str = FISHER) -> Sandbox:
    """Both sides change a weight, of which theirs is three times as certain; each has its Fisher information."""
    folder = f"{folder}/" if folder else ""

    def record(weight: float, certainty: float, message: str) -> None:
        sandbox.write(folder + MODEL, checkpoint(w=weight, same=0.0))
        if fisher:
            sandbox.write(folder + companion, checkpoint(w=certainty, same=0.0))
        sandbox.commit(message)

    record(0.0, 9.0, "base")
    sandbox.git("switch", "-qc", "side")
    record(4.0, 3.0, "theirs")
    sandbox.git("switch", "-q", "main")
    record(8.0, 1.0, "ours")
    return sandbox


EXPECTED = (8.0 * (1 + 1e-6) + 4.0 * (3 + 1e-6)) / (4 + 2e-6)


def merged(sandbox: Sandbox, path: str = MODEL) -> float:
    """The number that a merged file has for the contested weight."""
    content = sandbox.read(path)
    head = int.from_bytes(content[:8], "little")
    start, _ = json.loads(content[8 : 8 + head])["w"]["data_offsets"]
    return float(np.frombuffer(content, "<f4", 1, 8 + head + start)[0])


@pytest.mark.parametrize("folder", ["", "a/b"])
def test_git_theta_merge_reads_each_heads_companion(sandbox: Sandbox, folder: str) -> None:
    fork(sandbox, folder=folder)
    path = f"{folder}/{MODEL}" if folder else MODEL
    plan = sandbox.theta("merge", "--plan", "-s", STRATEGY, "side").stdout
    assert STRATEGY in plan
    sandbox.theta("merge", "-s", STRATEGY, "side")
    assert merged(sandbox, path) == pytest.approx(EXPECTED, rel=1e-6)
    beside = path.replace(MODEL, FISHER)
    assert merged(sandbox, beside) == 2.0  # the companions themselves are averaged
    assert sandbox.git("status", "--porcelain").stdout == ""


def test_what_it_reads_is_listed(sandbox: Sandbox) -> None:
    [row] = json.loads(sandbox.theta("strategies", STRATEGY, "--json").stdout)
    assert [(one["name"], one["pattern"]) for one in row["companions"]] == [("fisher", "{stem}.fisher{suffix}")]
    shown = sandbox.theta("strategies", STRATEGY).stdout
    assert "{stem}.fisher{suffix} of each head (The diagonal of the Fisher information)" in shown


def test_another_companion_gives_another_result(sandbox: Sandbox) -> None:
    """Nothing that was computed before is taken for it."""
    fork(sandbox)
    sandbox.theta("merge", "-s", STRATEGY, "side")
    sandbox.git("reset", "-q", "--hard", "HEAD~1")
    sandbox.write(FISHER, checkpoint(w=3.0, same=0.0))
    sandbox.commit("another estimate")
    sandbox.theta("merge", "-s", STRATEGY, "side")
    assert merged(sandbox) == 6.0


def test_git_merge_and_rebase_know_the_commits(sandbox: Sandbox) -> None:
    fork(sandbox)
    env = {"GIT_THETA_STRATEGY": STRATEGY}
    sandbox.git("merge", "-q", "--no-edit", "side", env=env)
    assert merged(sandbox) == pytest.approx(EXPECTED, rel=1e-6)
    sandbox.git("reset", "-q", "--hard", "HEAD~1")
    sandbox.git("rebase", "-q", "side", env=env)
    assert merged(sandbox) == pytest.approx(EXPECTED, rel=1e-6)
    assert sandbox.git("log", "--format=%s").stdout.split() == ["ours", "theirs", "base"]


def test_a_cherry_pick_leaves_a_conflict_that_resolve_settles(sandbox: Sandbox) -> None:
    fork(sandbox)
    picked = sandbox.git("cherry-pick", "side", env={"GIT_THETA_STRATEGY": STRATEGY}, check=False)
    assert picked.returncode == 1
    assert f"which those are cannot be known here; git theta resolve -s {STRATEGY} knows them" in picked.stderr
    assert sandbox.theta("resolve", "-s", STRATEGY, MODEL).stdout.endswith("nothing left; staged\n")
    assert merged(sandbox) == pytest.approx(EXPECTED, rel=1e-6)


def test_a_head_without_the_file_is_named_before_anything_is_done(sandbox: Sandbox) -> None:
    fork(sandbox, fisher=False)
    before = sandbox.git("rev-parse", "HEAD").stdout
    for plan in ([], ["--plan"]):
        refused = sandbox.theta("merge", *plan, "-s", STRATEGY, "side", check=False)
        assert refused.returncode == 2
        assert f"{MODEL}: {STRATEGY} reads {FISHER}, and ours has no such file" in refused.stderr
        assert "Commit it with the checkpoint" in refused.stderr
    assert sandbox.git("rev-parse", "HEAD").stdout == before
    driven = sandbox.git("merge", "-q", "side", env={"GIT_THETA_STRATEGY": STRATEGY}, check=False)
    assert driven.returncode == 1
    assert f"{STRATEGY} reads {FISHER}, and ours has no such file" in driven.stderr


def test_a_companion_that_is_kept_raw_or_lacks_the_parameter_is_named(sandbox: Sandbox) -> None:
    fork(sandbox)
    sandbox.write(FISHER, checkpoint(same=1.0))
    sandbox.commit("without it")
    lacks = f"{FISHER} of ours has no values for it, which {STRATEGY} reads"
    assert lacks in sandbox.theta("merge", "--plan", "-s", STRATEGY, "side", check=False).stdout
    left = sandbox.theta("merge", "-s", STRATEGY, "side", check=False)
    assert left.returncode == 1
    assert lacks in left.stdout + left.stderr
    sandbox.git("merge", "--abort", check=False)
    sandbox.write(".gitattributes", b"model.safetensors filter=theta merge=theta\n")
    sandbox.write(FISHER, checkpoint(w=1.0))
    sandbox.git("add", "--renormalize", ".")
    sandbox.git("commit", "-qm", "raw")
    refused = sandbox.theta("merge", "-s", STRATEGY, "side", check=False)
    assert f"reads {FISHER}, and ours has it, not stored by parameters: git theta track it" in refused.stderr


def test_it_may_lie_elsewhere_in_the_tree_and_nowhere_else(sandbox: Sandbox) -> None:
    fork(sandbox, companion="fisher/model.safetensors")
    chosen = "fisher=fisher/{stem}{suffix}"
    sandbox.theta("merge", "-s", STRATEGY, "-o", chosen, "side")
    assert merged(sandbox) == pytest.approx(EXPECTED, rel=1e-6)
    sandbox.git("reset", "-q", "--hard", "HEAD~1")
    for path in ("../{stem}", "/etc/passwd", "a/../../b", ".git/config", "a//b"):
        refused = sandbox.theta("merge", "--plan", "-s", STRATEGY, "-o", f"fisher={path}", "side", check=False)
        assert refused.returncode == 2
        assert "fisher takes the path of a file inside the tree" in refused.stderr


def test_a_sharded_checkpoint_has_one_companion_for_all_or_one_beside_each(sandbox: Sandbox) -> None:
    index = json.dumps({"metadata": {}, "weight_map": {"w": "model-1.safetensors", "v": "model-2.safetensors"}})

    def record(weight: float, certainty: float, message: str) -> None:
        sandbox.write("model.safetensors.index.json", index.encode())
        sandbox.write("model-1.safetensors", checkpoint(w=weight))
        sandbox.write("model-2.safetensors", checkpoint(v=0.0))
        sandbox.write("model.fisher.safetensors", checkpoint(w=certainty, v=1.0))
        sandbox.commit(message)

    record(0.0, 9.0, "base")
    sandbox.git("switch", "-qc", "side")
    record(4.0, 3.0, "theirs")
    sandbox.git("switch", "-q", "main")
    record(8.0, 1.0, "ours")
    sandbox.theta("merge", "-s", STRATEGY, "side")
    assert merged(sandbox, "model-1.safetensors") == pytest.approx(EXPECTED, rel=1e-6)
