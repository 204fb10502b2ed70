"""Every parser of bytes that strangers write: what reads them, and valid ones to begin with.

The contract of each: it returns, or raises an error of the library that says what is wrong; nothing else comes out, in
``LONGEST`` seconds and ``LARGEST`` bytes.
"""

from __future__ import annotations

import io
import json
import pickle
import resource
import sys
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_theta.errors import ThetaError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.result_lines import encode_line, encode_scores, summarize_scores
from git_theta.evaluation.running import CheckpointScores
from git_theta.known_plugins import BUILT_IN
from tests.fuzzing import golden_seeds, readers
from tests.fuzzing.kit_seeds import KITS, Kit

LONGEST = 5
"""Seconds that an input of some kilobytes may take. A pattern of an adapter's config is stopped after two."""
LARGEST = 256 << 20
"""Bytes by which it may raise the most that the process has had."""
_DEFECT = "This is a defect of git-theta"
"""What is said of a built-in that raised what it must not: an error of ours on the outside alone."""


class Target(NamedTuple):
    """A parser.

    Attributes:
        read: gives it the bytes.
        make_seeds: valid bytes, which are damaged: they say what the parser is to get to see.
    """

    read: readers.Read
    make_seeds: Callable[[], Sequence[bytes]]


def require_own_errors(read: readers.Read, data: bytes) -> ThetaError | None:
    """Read the bytes; the library's error, if it raised one. Any other goes on its way."""
    before = _peak_memory()
    try:
        read(data)
    except ThetaError as error:
        if _DEFECT in error.hint:
            raise AssertionError(error.message) from error
        assert error.message
        return error
    finally:
        assert _peak_memory() - before < LARGEST, "it took too much memory"
    return None


def _peak_memory() -> int:
    """Bytes that this process has had at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _format_target(name: str, kit: Kit) -> Target:
    if name in BUILT_IN["formats"]:
        return Target(readers.read_as(name), lambda: [*kit.samples(), *golden_seeds.files_of(name)])
    return Target(lambda data: readers.read_with_format(kit.make_format())(data), kit.samples)


def _stored_target(update: str) -> Target:
    def make_seeds() -> list[bytes]:
        parts = golden_seeds.parts_of(update)
        return [number.to_bytes(2) + golden_seeds.payload_of(part) for number, part in enumerate(parts)]

    return Target(readers.read_stored(update), make_seeds)


def _make_zips() -> list[bytes]:
    return [sample for name in ("torch", "keras", "numpy") for sample in KITS[name].samples()]


def _make_pickles() -> list[bytes]:
    """Those within torch's archives, and such as Python writes."""
    archives = (zipfile.ZipFile(io.BytesIO(sample)) for sample in KITS["torch"].samples())
    found = [archive.read(name) for archive in archives for name in archive.namelist() if name.endswith("data.pkl")]
    odd = {"a": [1, 2.5, None, True, b"x", "y", 1 << 80], "b": ({3}, frozenset([4]), bytearray(b"z"))}
    return [*found, *(pickle.dumps(odd, protocol) for protocol in range(6))]


def _packets(*lines: str) -> bytes:
    return b"".join(b"%04x" % (len(line) + 5) + line.encode() + b"\n" for line in lines) + b"0000"


_HANDSHAKE = _packets("git-filter-client", "version=2") + _packets("capability=clean", "capability=smudge")
_REQUEST = _packets("command=clean", "pathname=model.pt") + _packets("some content")
_OID = "0123456789abcdef" * 4
_OBJECTS = [
    {"oid": _OID, "size": 5, "actions": {"download": {"href": "https://host/o", "expires_in": 60}}},
    {"oid": _OID[::-1], "size": 5, "error": {"code": 404, "message": "not here"}},
]
_LEAVE = {"href": "https://host/team/model", "header": {"Authorization": "RemoteAuth x"}, "expires_in": 60}
_RECIPE = b"""\
merge_method: ties
base_model: main
models:
  - model: one
    parameters: {weight: 0.5, density: 0.4}
  - {model: two, parameters: {weight: 1, density: 0.4}}
parameters: {normalize: true, int8_mask: true}
dtype: bfloat16
"""
_POLICY = b"""\
[[merge]]
path = "*.safetensors"
parameters = ["encoder.*", "head.*"]
kind = "statistic"
strategy = "ties"
options = { density = 0.2, lambda = 1.0 }

[[merge]]
strategy = "slerp"
options = { t = 0.3 }
"""
_INDEX = {"metadata": {"total_size": 12}, "weight_map": {"w": "model-1.safetensors", "v": "../model-2.safetensors"}}
_LORA = {
    "peft_type": "LORA", "r": 8, "lora_alpha": 16, "rank_pattern": {"query": 8}, "alpha_pattern": {r"layer\.0": 4},
    "use_rslora": True, "init_lora_weights": True, "fan_in_fan_out": False, "target_modules": ["query"],
}  # fmt: skip
_IA3 = {"peft_type": "IA3", "feedforward_modules": ["query"], "fan_in_fan_out": False}
_ROUNDS = b"""\
[round.cold]
private = ["head.*", "classifier.*"]
mad = 4
eval = "classes"
"""
_EVALUATIONS = b"""\
[eval.classes]
checkpoint = "*.safetensors"
gate = ["mean >= before - 0.005", "no bucket worse", "bucket:arabic >= 0.8"]
command = "python evals/classes.py"
timeout = 60
server = true
"""
_ITEM = {"id": "a", "score": [-1.5, -2], "bucket": ["latin", "long"], "weight": 2}
_SCORES = [ItemScore("a", 1.0, ("latin", "long"), 2.0), ItemScore("b", 0.5, ("latin",), 1.0, paired=True)]
_ATTRIBUTES = b"""\
# comment
*.pt filter=theta diff=theta merge=theta -text
"a b/\\303\\266.bin" filter=theta theta-format=torch
[attr]model filter=theta
!*.txt text
*.ckpt model
"""
_EXPORT = b"""\
feature done
reset refs/heads/main
commit refs/heads/main
mark :2
original-oid %b
author A <a@b> 1112911993 -0700
committer A <a@b> 1112911993 -0700
encoding ISO-8859-1
data 5
first
from %b
merge :2
M 100644 %b "a\\303\\266 b"
D c

done
""" % (b"1" * 40, b"2" * 40, b"3" * 40)


def _make_results() -> list[bytes]:
    """A line with its scores, and one that says where they are."""
    scores = CheckpointScores(tuple(_SCORES), {"ppl": 12.5}, 1.5)
    result, _ = summarize_scores(scores, identity=_OID, evaluation="classes", digest=_OID, machine="x", when=7)
    return [encode_line(one) for one in (result, result._replace(inline="", blob=_OID))]


TARGETS: dict[str, Target] = {
    **{name: _format_target(name, kit) for name, kit in KITS.items()},
    "zip-directory": Target(readers.read_zip, _make_zips),
    "pickle-reader": Target(readers.read_pickled, _make_pickles),
    "manifest": Target(readers.read_manifest, golden_seeds.golden_manifests),
    "manifest-restored": Target(readers.restore_manifest, golden_seeds.golden_manifests),
    **{f"stored-{update}": _stored_target(update) for update in BUILT_IN["updates"]},
    "pkt-lines": Target(readers.read_packets, lambda: [_HANDSHAKE + _REQUEST * 2]),
    "lfs-answer": Target(
        readers.read_lfs_answer,
        lambda: [b"120\n" + json.dumps(said).encode() for said in ({"objects": _OBJECTS}, {"message": "no"})],
    ),
    "ssh-leave": Target(readers.read_ssh_leave, lambda: [json.dumps(_LEAVE).encode()]),
    "lfs-words": Target(
        readers.read_lfs_words,
        lambda: [f"[{_OID}] batch response: [507] no room; expected OID {_OID}, got {_OID[::-1]}".encode()],
    ),
    "recipe": Target(readers.read_recipe, lambda: [_RECIPE, b"merge_method: linear\nmodels: &a [{model: b}]\n"]),
    "policy": Target(readers.read_policy, lambda: [_POLICY]),
    "shard-index": Target(readers.read_index, lambda: [json.dumps(_INDEX).encode()]),
    "adapter-config": Target(
        readers.read_adapter_config, lambda: [json.dumps(said).encode() for said in (_LORA, _IA3)]
    ),
    "rounds": Target(readers.read_rounds, lambda: [_ROUNDS]),
    "eval-definitions": Target(readers.read_definitions, lambda: [_EVALUATIONS]),
    "eval-result": Target(readers.read_result, _make_results),
    "eval-scores": Target(readers.read_item_scores, lambda: [encode_scores(_SCORES)]),
    "eval-line": Target(
        readers.read_score_line,
        lambda: [json.dumps(said).encode() for said in (_ITEM, {"metric": "ppl", "value": 12.5}, {"done": True})],
    ),
    "gitattributes": Target(readers.read_attributes, lambda: [_ATTRIBUTES]),
    "fast-export": Target(readers.read_export, lambda: [_EXPORT]),
}
"""By name: a format, an update, or what is read."""
