"""Checkpoints of ``torch.distributed``: a ``.distcp`` is one archive per tensor, one after the other."""

from __future__ import annotations

import copy
import io
import pickle
import re
import zipfile
from collections.abc import Mapping

import pytest
import torch

from git_theta.errors import FormatError
from git_theta.formats.base import Format
from git_theta.formats.building import cut_derived
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.torch.distcp_format import DistcpFormat
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import parts_of, template
from tests.formats.sources import BytesSource
from tests.formats.torch.distributed_files import STATE, distcp, load_folder, saved_folder
from tests.formats.torch_files import saved
from tests.sandbox import Sandbox
from tests.two_branches import record

READER = DistcpFormat()


class TestDistcpFormat(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        return {"__0_0.distcp": distcp({"w": torch.ones(5), "step": 1})}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_archive_is_read_and_not_the_last_of_them(count: int) -> None:
    content = distcp({f"layer.{index}": torch.full((4,), float(index)) for index in range(count)} | {"step": 3})
    found = detect_format(BytesSource(content), content, "__0_0.distcp")
    assert (found.format, len(found.spans)) == ("distcp", count)
    values = {bytes(content[span.offset :][: span.size]) for span in found.spans}
    assert values == {torch.full((4,), float(index)).numpy().tobytes() for index in range(count)}


def test_tensors_are_where_the_metadata_say() -> None:
    """Each place is that of the archive which ``.metadata`` gives a name."""
    files = saved_folder(STATE)
    content = files["__0_0.distcp"]
    found = {span.name: span for span in READER.spans(BytesSource(content))}
    assert list(found) == ["#2", "#3", "#4", "#5"]
    metadata = pickle.loads(files[".metadata"])
    places = sorted(metadata.storage_data.items(), key=lambda item: item[1].offset)
    for number, (index, place) in enumerate(places):
        if (span := found.get(f"#{number}")) is not None:
            assert place.offset < span.offset < span.offset + span.size < place.offset + place.length
            tensor = torch.load(io.BytesIO(content[place.offset : place.offset + place.length]), weights_only=True)
            assert tensor.untyped_storage().nbytes() == span.size
            assert content[span.offset :][: span.size] == bytes(tensor.untyped_storage().tolist()), index.fqn


def test_views_keep_their_windows() -> None:
    [span] = [one for one in READER.spans(BytesSource(distcp())) if one.views]
    assert (span.name, [(view.name, view.spec.shape, view.stride) for view in span.views]) == (
        "#4",
        [("#4", (3, 2), (1, 3))],
    )


def test_what_torch_derives_is_nobodys_news() -> None:
    first = template(READER, distcp({"w": torch.ones(5)} | {"v": torch.ones(4)}))
    second = template(READER, distcp({"w": torch.zeros(5)} | {"v": torch.ones(4)}))
    guarded = GuardedFormat("distcp", READER)
    assert first.runs != second.runs
    assert cut_derived(guarded, first) == cut_derived(guarded, second)


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


WHOLE = distcp()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WHOLE[:-1], "no archive ends"),
        (WHOLE + b"\0", "no archive ends"),
        (WHOLE[1:], "begins nowhere|no archive ends"),
        (b"PK\3\4" + bytes(60) + WHOLE, "no archive ends at byte 64"),
        (distcp({"step": 1, "epoch": 2}), "none of the archives holds a tensor"),
        (damaged(WHOLE, len(WHOLE) - 6), "begins nowhere|disagree|outside|damaged|no archive|lies"),
    ],
)
def test_what_cannot_be_read_is_kept_whole_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        READER.spans(BytesSource(content))
    assert re.search(reason, caught.value.message), caught.value.message
    assert detect_format(BytesSource(content), content, "__0_0.distcp").format in (OPAQUE, "torch")


def test_archives_without_wide_ends_are_found_too() -> None:
    """Other zip writers add those where they are needed."""
    plain = []
    for number in (1.0, 2.0):
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(saved(torch.full((3,), number)))) as old, zipfile.ZipFile(buffer, "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        plain.append(buffer.getvalue())
    content = b"".join(plain)
    found = READER.spans(BytesSource(content))
    assert [(span.name, content[span.offset :][:4]) for span in found] == [
        ("#0", torch.ones(1).numpy().tobytes()),
        ("#1", torch.full((1,), 2.0).numpy().tobytes()),
    ]


def test_other_tensors_are_refused() -> None:
    like = template(READER, WHOLE)
    with pytest.raises(FormatError, match="other parameters"):
        READER.build(parts_of(like.spans, dict.fromkeys((span.name for span in like.spans), b""))[1:], like)


def trained(**changes: torch.Tensor) -> dict[str, bytes]:
    """A checkpoint with other values."""
    state = copy.deepcopy(STATE)
    state["model"].update(changes)  # type: ignore[attr-defined]
    return {f"step/{name}": content for name, content in saved_folder(state).items()}


@pytest.fixture
def forked(sandbox: Sandbox) -> Sandbox:
    """Ours trained ``a``, theirs ``b``; the metadata are Git's."""
    sandbox.theta("track", "*.distcp")
    record(sandbox, trained(), "base")
    sandbox.git("switch", "-qc", "side")
    record(sandbox, trained(b=torch.zeros(3, dtype=torch.bfloat16)), "theirs")
    sandbox.git("switch", "-q", "main")
    return sandbox


def test_law_1_a_version_is_stored_by_tensor_and_loads(forked: Sandbox) -> None:
    files = trained(a=torch.full((4, 8), 7.0))
    record(forked, files, "ours")
    shown = forked.theta("diff", "--name-only", "HEAD~", "HEAD").stdout
    assert shown.splitlines() == ["step/__0_0.distcp\t#2"]
    for name in files:
        (forked.root / name).unlink()
    forked.git("checkout", "--", ".")
    assert {name: forked.read(name) for name in files} == files
    state = copy.deepcopy(STATE)
    load_folder({name.removeprefix("step/"): forked.read(name) for name in files}, state)
    assert torch.equal(state["model"]["a"], torch.full((4, 8), 7.0))  # type: ignore[index]


def test_a_merge_takes_it_from_one_side(forked: Sandbox) -> None:
    """Also where different tensors were trained, and whatever strategy is named."""
    ours = trained(a=torch.full((4, 8), 7.0))
    record(forked, ours, "ours")
    done = forked.theta("merge", "side", "-s", "average", check=False)
    assert done.returncode != 0
    assert "average cannot compute with a file that is taken whole" in done.stdout + done.stderr
    forked.theta("resolve", "-s", "theirs", "step")
    forked.git("checkout", "--theirs", "step/.metadata")
    forked.git("add", "step/.metadata")
    assert forked.git("diff", "--cached", "--stat", "side").stdout == ""


def test_a_side_that_changed_nothing_loses_nothing(forked: Sandbox) -> None:
    forked.git("merge", "-q", "--no-edit", "side")
    assert forked.git("diff", "--stat", "side").stdout == ""
