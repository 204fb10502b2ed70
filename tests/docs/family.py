"""The repository in which pages are typed: a model, fine-tunes of it on branches, a remote, an adapter."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np

from tests.adapters import PEFT_ADAPTERS, peft_file, values_of
from tests.sandbox import Sandbox, changed, safetensors_bytes
from tests.sharded_checkpoints import replace_files, sharded
from tests.templates import built_once

MODEL = "model.safetensors"
BRANCHES = (
    *("topic", "other", "alice", "bob", "carol", "one", "two", "a", "b", "c"),
    *("nli/seed1", "nli/seed2", "topics/seed1"),
)
"""Each comes of the version v1.0, and trained the encoder and the heads."""
_OWN = {
    "embed.weight": (24, 16),
    "encoder.layer.0.attention.query.weight": (16, 16),
    "encoder.layer.0.mlp.weight": (16, 16),
    "encoder.layer.0.mlp.bias": (16,),
    "encoder.layer.1.attention.query.weight": (16, 16),
    "decoder.layer.0.weight": (16, 16),
    "layers.0.attn.q_proj.weight": (64, 64),
    "head.weight": (3, 16),
    "head.bias": (3,),
    "classifier.weight": (3, 16),
    "classifier.bias": (3,),
}


_LONG = "word " * 250_000
"""Metadata that make a file large enough to be taken for a checkpoint by its size."""


def published() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """The model's parameters: those that the adapter of ``tests.adapters`` is for, and more of the usual names."""
    generator = np.random.default_rng(7)
    own = {name: generator.standard_normal(shape, dtype=np.float32) for name, shape in _OWN.items()}
    return {**values_of(peft_file("base-float32")), **own}


def tuned(seed: int, *parts: str, **metadata: str) -> bytes:
    """The model after training of the parameters whose names begin with ``parts``."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, value in published().items():
        moved = generator.standard_normal(value.shape, dtype=np.float32) / 100 if name.startswith(parts) else 0
        tensors[name] = ("F32", value.shape, (value + moved).astype("<f4").tobytes())
    return safetensors_bytes(tensors, metadata or None)


def build_family(mine: Sandbox) -> None:
    """Below ``mine``'s parent: the repository, ``origin.git``, and ``adapter``, which PEFT made for this model."""
    mine.theta("install")
    _commit_versions(mine)
    bare = Sandbox.create(mine.root.parent / "origin.git", install=False, bare=True)
    mine.git("remote", "add", "origin", f"../{bare.root.name}")
    mine.git("push", "--quiet", "--all", "-u", "origin")
    mine.git("push", "--quiet", "--tags", "origin")
    shutil.copytree(PEFT_ADAPTERS / "lora", mine.root / "runs" / "7" / "adapter")
    (mine.root / ".git" / "info" / "exclude").write_text("/runs/\n/adapter/\n")


@built_once
def _commit_versions(mine: Sandbox) -> None:
    mine.theta("track", "*.safetensors")
    mine.write(MODEL, tuned(0))
    mine.commit("The model as published")
    for tag in ("v1.0", "v1", "base"):
        mine.git("tag", tag)
    for number, branch in enumerate(BRANCHES, 2):
        mine.git("switch", "--quiet", "-c", branch, "v1.0")
        mine.write(MODEL, tuned(number, "encoder", "head"))
        mine.commit(f"Fine-tuned as {branch}")
    mine.git("switch", "--quiet", "topic")
    mine.write(MODEL, tuned(2, "encoder", "head", "decoder"))
    mine.commit("Fine-tuned as topic, further")
    mine.git("switch", "--quiet", "main")
    mine.write(MODEL, tuned(1, "head", "classifier", "layers"))
    mine.commit("Fine-tune the heads")
    for tag in ("v2.0", "v2"):
        mine.git("tag", tag)


def build_raw_history(mine: Sandbox) -> None:
    """The repository of somebody who has not met git-theta: two versions of a model, and a remote that has both."""
    mine.theta("install")
    for number in (0, 1):
        mine.write(MODEL, tuned(number, "head", vocabulary=_LONG))
        mine.commit(f"Version {number}")
    bare = Sandbox.create(mine.root.parent / "origin.git", install=False, bare=True)
    mine.git("remote", "add", "origin", f"../{bare.root.name}")
    mine.git("push", "--quiet", "-u", "origin", "main")


def build_nothing(mine: Sandbox) -> None:
    """A machine on which git-theta was installed, and a model in ``somewhere``."""
    mine.theta("install")
    (mine.root.parent / "somewhere").mkdir()
    (mine.root.parent / "somewhere" / MODEL).write_bytes(tuned(0))


# What happens before a line is typed.


def train(mine: Sandbox) -> None:
    """What a run leaves in the worktree."""
    mine.write(MODEL, tuned(100, "head", "encoder"))


def tune_late(mine: Sandbox) -> None:
    """A head from the start of a round that has ended."""
    mine.git("switch", "--quiet", "-c", "late", "cold/0")
    mine.write(MODEL, tuned(30, "decoder", "head"))
    mine.commit("Tuned for longer")


def begin_conflict(mine: Sandbox) -> None:
    """A merge that stops, as nothing says how the heads are merged."""
    mine.git("merge", "topic", check=False)


def begin_conflict_of_metadata(mine: Sandbox) -> None:
    """A merge that stops at what is no tensor."""
    for branch, step in (("topic", "20"), ("main", "10")):
        mine.git("switch", "--quiet", "-C", branch, "v1.0")
        mine.write(MODEL, tuned(0, step=step))
        mine.commit(f"Step {step}")
    begin_conflict(mine)


def begin_at_published(mine: Sandbox) -> None:
    """What alice, bob and carol started from."""
    mine.git("switch", "--quiet", "-C", "main", "v1.0")


def begin_diverged(mine: Sandbox) -> None:
    """Somebody else's main went on, and so did ours."""
    mine.git("reset", "--quiet", "--hard", "topic")


def move_into_shards(mine: Sandbox) -> None:
    """The branches a, b and c, with a checkpoint of two shards each, which they have from one commit."""
    begin_at_published(mine)
    replace_files(mine, sharded("wx", "yz"), "Shards")
    for number, branch in enumerate("abc", 1):
        mine.git("switch", "--quiet", "-C", branch, "main")
        replace_files(mine, sharded("wx", "yz", w=number / 10, y=0.1), f"Shards {branch}")


def bring_nan(mine: Sandbox) -> None:
    """A run that diverged is committed."""
    mine.write(MODEL, changed(tuned(1, "head", "classifier", "layers"), "head.bias", b"\0\0\xc0\x7f"))
    mine.commit("Diverged")


def commit_raw(mine: Sandbox) -> None:
    """Somebody commits a checkpoint who has not got git-theta."""
    mine.write("raw.safetensors", tuned(0))
    oid = mine.git("hash-object", "-w", "--no-filters", "raw.safetensors").stdout.strip()
    mine.git("update-index", "--add", "--cacheinfo", f"100644,{oid},raw.safetensors")
    mine.git("commit", "--quiet", "-m", "By hand")


def import_history(mine: Sandbox) -> None:
    """History is rewritten."""
    mine.theta("migrate", "import", "--everything")


def download(mine: Sandbox) -> None:
    """The file of v1.0 with another name, and one that was trained on since."""
    folder = mine.root.parent / "Downloads"
    folder.mkdir()
    (folder / MODEL).write_bytes(tuned(0))
    (folder / "tuned.safetensors").write_bytes(changed(tuned(0), "head.weight"))


def write_evaluation(mine: Sandbox) -> None:
    """It fails for all but the published model."""
    digest = hashlib.sha256(tuned(0)).hexdigest()
    (mine.root / "eval.py").write_text(
        f"import hashlib, sys\nsys.exit(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest() != {digest!r})\n"
    )
