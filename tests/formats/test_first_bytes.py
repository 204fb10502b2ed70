"""What files of our formats begin with: a format that a file cannot be of is not imported to say so."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_theta.formats.detect import FIRST_BYTES
from git_theta.formats.guarded_format import load_format
from git_theta.known_plugins import BUILT_IN
from tests.formats.flax.flax_files import FLAX
from tests.formats.hdf5.hdf5_files import KERAS, LEGACY
from tests.formats.onnx.onnx_models import WEIGHTS, initializer, model
from tests.formats.pickle.test_pickle_format import WRITERS
from tests.formats.tar.nemo_files import nemo
from tests.formats.torch.distributed_files import distcp
from tests.formats.torch.exported_programs import exported
from tests.formats.torch.test_torch_legacy import legacy
from tests.formats.torch_files import saved


@cache
def files() -> list[bytes]:
    """Made when a test asks: every process of the suite imports this module, and one runs its tests."""
    return [
        FLAX.read_bytes(),
        KERAS.read_bytes(),
        LEGACY.read_bytes(),
        model([initializer("w", WEIGHTS)]).SerializeToString(),
        exported(),
        nemo(),
        distcp(),
        legacy({"epoch": 3}),
        saved({"epoch": 3}),
        *(write(WEIGHTS) for write in WRITERS.values()),
    ]


PATHS = [
    "m", "m.pt", "m.pth", "m.bin", "m.ckpt", "m.pkl", "m.joblib", "m.onnx", "m.h5", "m.keras", "m.msgpack", "m.pt2",
    "m.nemo", "m.distcp",
]  # fmt: skip


@pytest.mark.parametrize("name", FIRST_BYTES)
@given(st.deferred(lambda: st.sampled_from(files())), st.sampled_from(PATHS), st.integers(0, 8), st.binary(max_size=4))
def test_what_begins_otherwise_matches_no_format(name: str, content: bytes, path: str, at: int, patch: bytes) -> None:
    head = content[:at] + patch + content[at + len(patch) :]
    if not head.startswith(FIRST_BYTES[name]):
        assert not load_format(name).matches(head, path)


def test_every_name_is_a_format() -> None:
    assert FIRST_BYTES.keys() < BUILT_IN["formats"].keys()


def test_law_12_a_file_of_no_format_imports_none_but_safetensors() -> None:
    program = """
import sys
from git_theta.formats.detect import detect_format
from git_theta.testing.format_hooks import MemorySource
before = set(sys.modules)
detect_format(MemorySource(b"text"), b"text", "notes.txt")
print({name.split(".")[2] for name in set(sys.modules) - before if name.startswith("git_theta.formats.")})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) <= {"safetensors", "template", "file_names"}
