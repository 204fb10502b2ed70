"""What formats are tested with, ours and those of ``plugins/``: the samples of their conformance kits are the seeds."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from git_theta.formats.base import Format
from git_theta.testing.formats import FormatLaws

_ROOT = Path(__file__).parents[2]
_LARGEST = 200_000
"""Bytes of a sample: larger ones have nothing in them that small ones lack."""


class Kit(NamedTuple):
    """A format's own test.

    Attributes:
        file: where it stands, from the root of the repository.
        laws: the class that runs the kit.
    """

    file: str
    laws: str

    def make_format(self) -> Format:
        return self._load().make_format()

    def samples(self) -> list[bytes]:
        """Its valid files."""
        return [content for content in self._load().samples().values() if len(content) <= _LARGEST]

    def _load(self) -> FormatLaws:
        laws = getattr(_import_file(_ROOT / self.file), self.laws)()
        assert isinstance(laws, FormatLaws)
        return laws


@cache
def _import_file(file: Path) -> object:
    """The module in a file. A plug-in's folder is where its package is found, as it is where it is installed."""
    folder = file.parents[1]
    name = ".".join(file.relative_to(_ROOT).with_suffix("").parts).replace("-", "_")
    if (folder / "pyproject.toml").exists() and str(folder) not in sys.path:
        sys.path.append(str(folder))
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the types that annotations name
    spec.loader.exec_module(module)
    return module


KITS = {
    "safetensors": Kit("tests/testing/test_formats.py", "TestSafetensors"),
    "torch": Kit("tests/testing/test_formats.py", "TestTorch"),
    "torch-legacy": Kit("tests/formats/torch/test_torch_legacy.py", "TestLegacyTorchFormat"),
    "pt2": Kit("tests/formats/torch/test_pt2_format.py", "TestPt2Format"),
    "distcp": Kit("tests/formats/torch/test_distcp_format.py", "TestDistcpFormat"),
    "nemo": Kit("tests/formats/tar/test_nemo_format.py", "TestNemoFormat"),
    "pickle": Kit("tests/formats/pickle/test_pickle_format.py", "TestPickleFormat"),
    "onnx": Kit("tests/formats/onnx/test_onnx_format.py", "TestOnnxFormat"),
    "hdf5": Kit("tests/formats/hdf5/test_hdf5_format.py", "TestHdf5Format"),
    "keras": Kit("tests/formats/hdf5/test_keras_format.py", "TestKerasFormat"),
    "flax": Kit("tests/formats/flax/test_flax_format.py", "TestFlaxFormat"),
    "gguf": Kit("plugins/git-theta-gguf/tests/test_gguf_format.py", "TestGgufFormat"),
    "numpy": Kit("plugins/git-theta-numpy/tests/test_numpy_format.py", "TestNumpyFormat"),
}
"""By the format's name."""
