"""NeMo's archives: the checkpoints of torch in a tar."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from git_theta.errors import FormatError
from git_theta.formats.base import Format
from git_theta.formats.building import cut_derived
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.tar.nemo_format import NemoFormat
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import built as build_like
from tests.formats.built_files import contents, parts_of, template
from tests.formats.sources import BytesSource, names_of
from tests.formats.tar.nemo_files import CONFIG, STATE, nemo, packed, restored
from tests.formats.torch_files import saved

READER = NemoFormat()
TIED = {"weight": STATE["encoder.weight"], "tied": STATE["encoder.weight"], "row": STATE["encoder.weight"][1]}


def two_ranks() -> bytes:
    """As large models are saved: the same names in each part."""
    return packed(
        {
            "model_config.yaml": CONFIG,
            "mp_rank_00/model_weights.ckpt": saved({"w": torch.zeros(5)}),
            "mp_rank_01/model_weights.ckpt": saved(TIED),
            "tokenizer.model": bytes(range(256)),
        }
    )


class TestNemoFormat(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        return {"m.nemo": nemo(), "ranks.nemo": two_ranks()}


def test_tensors_are_as_torch_loads_them() -> None:
    content = nemo()
    found = {span.name: content[span.offset :][: span.size] for span in READER.spans(BytesSource(content))}
    assert found == {name: tensor.numpy().tobytes() for name, tensor in restored(content).items()}


def test_several_checkpoints_have_names_by_where_they_are() -> None:
    found = READER.spans(BytesSource(two_ranks()))
    assert sorted(names_of(found)) == [
        "mp_rank_00.model_weights.w",
        "mp_rank_01.model_weights.row",
        "mp_rank_01.model_weights.tied",
        "mp_rank_01.model_weights.weight",
    ]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_header_is_read(kind: int) -> None:
    deep = "/".join(["a_folder_of_many"] * 4)
    long = f"{deep}/{'é' * 60 if kind != tarfile.USTAR_FORMAT else 'e' * 60}.ckpt"
    content = packed({"model_config.yaml": CONFIG, long: saved({"w": torch.ones(3)})}, format=kind)
    [span] = READER.spans(BytesSource(content))
    assert (span.name, content[span.offset :][:12]) == ("w", torch.ones(3).numpy().tobytes())
    facts = READER.read_facts(template(READER, content))
    assert "./model_config.yaml (member)" in facts


def test_other_values_make_an_archive_that_torch_loads() -> None:
    content = nemo()
    values = {name: bytes(byte ^ 1 for byte in value) for name, value in contents(READER, content).items()}
    made = build_like(READER, parts_of(template(READER, content).spans, values), content, values)
    assert {name: tensor.numpy().tobytes() for name, tensor in restored(made).items()} == values


def test_when_it_was_packed_is_nobodys_news() -> None:
    guarded = GuardedFormat("nemo", READER)
    first, second = (template(READER, nemo(time=time)) for time in (1764403200.25, 1764403987.125))
    assert first.runs != second.runs
    assert cut_derived(guarded, first) == cut_derived(guarded, second)
    assert READER.read_facts(first) == READER.read_facts(second)


def test_facts_are_those_of_the_checkpoints_and_the_other_files() -> None:
    plain = READER.read_facts(template(READER, nemo({**STATE, "epoch": 3})))
    assert plain["epoch"].text == "3"
    assert plain["./model_config.yaml (member)"].plain
    facts = READER.read_facts(template(READER, two_ranks()))
    assert not facts["./tokenizer.model (member)"].plain
    assert facts["mp_rank_01.model_weights.weight (tensor)"].tensor in ("", "mp_rank_01.model_weights.weight")


def cut(content: bytes) -> bytes:
    """Without the end of the archive."""
    return content.rstrip(b"\0")


def sparse() -> bytes:
    """As GNU tar writes files with holes."""
    content = bytearray(packed({"model_weights.ckpt": saved(dict(STATE))}, format=tarfile.GNU_FORMAT))
    at = 512
    content[at + 156 : at + 157] = b"S"
    content[at + 148 : at + 156] = b" " * 8
    content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (packed({"model_config.yaml": CONFIG}), "no checkpoint of torch"),
        (packed({"model_weights.ckpt": b"PK\3\4" + bytes(400)}), "no end"),
        (cut(nemo()), "truncated|reaches out"),
        (nemo()[:1030] + b"\1" + nemo()[1031:], "no header at byte 1024"),
        (nemo()[:1172] + b"z" + nemo()[1173:], "number that is none"),
        (sparse(), "sparse"),
    ],
)
def test_what_cannot_be_read_is_kept_whole_with_the_reason(content: bytes, reason: str) -> None:
    found = detect_format(BytesSource(content), content, "m.nemo")
    assert (found.format, found.refused_by) == (OPAQUE, "nemo")
    assert re.search(reason, found.problem), found.problem


@pytest.mark.parametrize(("path", "expected"), [("m.nemo", "nemo"), ("weights", "nemo"), ("m.tar", "nemo")])
def test_it_is_known_by_its_content(path: str, expected: str) -> None:
    content = nemo()
    assert detect_format(BytesSource(content), content[: 1 << 20], path).format == expected


def test_another_tar_is_no_nemo() -> None:
    content = packed({"notes.txt": b"text"})
    assert detect_format(BytesSource(content), content, "notes.tar").format == OPAQUE
    assert not detect_format(BytesSource(content), content, "notes.tar").problem


def test_a_header_that_claims_much_costs_nothing() -> None:
    huge = tarfile.TarInfo("./model_weights.ckpt")
    huge.size = 1 << 60
    with pytest.raises(FormatError, match="reaches out of the file"):
        READER.spans(BytesSource(huge.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))


def test_other_tensors_are_refused() -> None:
    like = template(READER, nemo())
    none: dict[str, Any] = dict.fromkeys((span.name for span in like.spans), b"")
    with pytest.raises(FormatError, match="other parameters"):
        READER.build(parts_of(like.spans, none)[1:], like)
