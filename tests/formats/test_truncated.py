"""A file of which the end is missing is none: there is no part of it that could be told from a whole one."""

from __future__ import annotations

import collections

import pytest
import torch
from safetensors.torch import save

from git_theta.formats.base import Format
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from git_theta.formats.torch.torch_format import TorchZipFormat
from tests.formats.sources import spans_or_refusal
from tests.formats.torch_files import saved

BASE = torch.arange(6.0)
STATE = collections.OrderedDict(
    w=torch.nn.Parameter(torch.ones(2, 3)), v=BASE[1:], t=BASE.reshape(2, 3).t(), n=3, s="x"
)
FILES: dict[str, tuple[Format, bytes]] = {
    "safetensors": (SafetensorsFormat(), save({"a": torch.ones(2, 3), "b.c": torch.zeros(0)}, {"format": "pt"})),
    "torch": (TorchZipFormat(), saved({"model": STATE, "u": torch.ones(2, dtype=torch.uint16)})),
}


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused(name: str) -> None:
    reader, data = FILES[name]
    assert spans_or_refusal(reader, data)
    for length in range(len(data)):
        assert spans_or_refusal(reader, data[:length]) is None
