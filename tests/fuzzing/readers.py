"""What reads bytes of strangers, each as one function: it returns, or raises what the parser raises."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from git_theta.checkpoints.index_file import merge_indexes, places_named_by
from git_theta.errors import FormatError
from git_theta.evaluation.definitions import parse_definitions
from git_theta.evaluation.result_lines import decode_scores, encode_line, encode_scores, parse_line, read_scores
from git_theta.evaluation.score_lines import parse_score_line
from git_theta.formats.base import FORMATS, Format
from git_theta.formats.pickle.pickle_reader import read_pickle
from git_theta.formats.torch.torch_names import name_tensors
from git_theta.formats.unique_names import UniqueNames
from git_theta.formats.zip.zip_directory import read_directory
from git_theta.manifest.near_manifest import read_near_manifest
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.merging.policies.policy_file import parse_policy
from git_theta.merging.policies.round_policy import parse_round_policies
from git_theta.operations.foreign import detect_stand_in
from git_theta.operations.merging.recipe import parse_recipe
from git_theta.operations.restoring.restore import require_objects, restore_pieces
from git_theta.operations.updating.peft_config import CONFIG_FILE, read_config
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.transport.lfs import batch_replies, lfs_outcomes
from git_theta.transport.lfs.endpoint import require_http_url
from git_theta.transport.lfs.http_exchange import Reply
from git_theta.transport.lfs.ssh_login import parse_leave
from git_theta.vcs.attribute_files.attribute_lines import parse_attributes
from git_theta.vcs.fast_export import parse_commits
from git_theta.vcs.filter_protocol import ReadInto, serve_filter
from git_theta.vcs.pktline import Buffer, PacketReader, PacketWriter
from tests.formats.built_files import make_part, template
from tests.formats.built_files import parts_of as parts_with
from tests.formats.sources import BytesSource
from tests.fuzzing import golden_seeds

Read = Callable[[bytes], object]
_NEW = make_part("new.weight", Spec(BY_NAME["F32"], (2,)), bytes(8))
"""A parameter that files have not got."""
_ENOUGH = 16 << 20
"""Bytes of a restored file: what a manifest claims beyond is restored like them, and takes its time."""
_INDEX = "models/model.safetensors.index.json"
_MODULE = "base_model.model.encoder.layer.0.attention.self.query"


def read_with_format(reader: Format) -> Read:
    """All that is asked of a format about one file. It is not behind its door: what it does wrong is to be seen."""

    def read(data: bytes) -> None:
        like = template(reader, data)
        list(reader.metadata(like))
        list(reader.find_derived(like))
        content = {span.name: data[span.offset : span.offset + span.size] for span in like.spans}
        parts = parts_with(like.spans, content)
        reader.build(parts, like)
        facts = reader.read_facts(like)
        for change in (
            lambda: reader.build([*parts[1:], _NEW], like),
            lambda: reader.take_facts(like, dict.fromkeys(facts or (), like)),
            lambda: reader.take_facts(like, {}),
        ):
            with suppress(FormatError):  # what a format cannot do is no reason to leave the rest untried
                change()

    return read


def read_as(format_name: str) -> Read:
    """With a format of ours."""
    return lambda data: read_with_format(FORMATS.load_plugin(format_name))(data)


def read_zip(data: bytes) -> None:
    read_directory(BytesSource(data))


def read_pickled(data: bytes) -> None:
    list(name_tensors(read_pickle(data), UniqueNames()))


def read_manifest(data: bytes) -> None:
    """There is one text of a manifest: what is read is written alike."""
    detect_stand_in(data)
    _, text = read_near_manifest(data)
    assert encode_manifest(decode_manifest(text)) == text


def restore_manifest(data: bytes) -> None:
    """The file that a manifest of golden objects stands for, or its first bytes."""
    manifest, context = decode_manifest(data), golden_seeds.golden_context()
    require_objects(manifest, context)
    size = 0
    for piece in restore_pieces(manifest, context):
        size += len(piece)
        if size > _ENOUGH:
            return
    assert size == manifest.size


def read_stored(update: str) -> Read:
    """The values of a golden part: two bytes say of which, the others are stored of it."""

    def read(data: bytes) -> None:
        parts = golden_seeds.parts_of(update)
        part, payload = parts[int.from_bytes(data[:2]) % len(parts)], data[2:]
        place = part.storage.place._replace(bytes=len(payload), range=None, rest=())
        forged = part._replace(storage=part.storage._replace(place=place))
        for _ in read_values(forged, golden_seeds.ForgedStore(place.object, payload), map):
            pass

    return read


def read_packets(data: bytes) -> None:
    """A conversation with Git's filter, which answers each file with its content."""

    def echo(readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:
        view = memoryview(bytearray(4096))
        while size := readinto(view):
            yield bytes(view[:size])

    with tempfile.TemporaryFile() as sent, tempfile.TemporaryFile() as answered:
        sent.write(data)
        sent.seek(0)
        reader, writer = PacketReader(sent.fileno()), PacketWriter(answered.fileno())
        serve_filter(reader, writer, {"clean": echo, "smudge": echo}, lambda _: None)


def read_lfs_answer(data: bytes) -> None:
    """What a Git LFS server says: a line that asks to wait, and the body."""
    wait, _, body = data.partition(b"\n")
    reply = Reply(200, {"retry-after": wait.decode("latin-1")}, body)
    assert batch_replies.read_retry_after(reply) >= 0
    batch_replies.read_message(reply)
    for said in batch_replies.parse_objects(reply, "host"):
        presence = batch_replies.read_presence(said, 5)
        error = lfs_outcomes.not_fetched(str(said.get("oid")), 5, presence, "")
        assert lfs_outcomes.describe_lack(presence).message and error.message


def read_ssh_leave(data: bytes) -> None:
    """What `git-lfs-authenticate` answers: where to ask, and with which headers."""
    leave = parse_leave(data)
    if leave and leave.href:
        require_http_url(leave.href)


def read_lfs_words(data: bytes) -> None:
    """What git-lfs prints."""
    words = data.decode(errors="replace")
    lfs_outcomes.find_damaged(words)
    for oid, presence in lfs_outcomes.find_refusals(words).items():
        assert lfs_outcomes.not_arrived(oid, 5, presence, presence, words).message


def read_recipe(data: bytes) -> None:
    parse_recipe(data)


def read_rounds(data: bytes) -> None:
    """What a project says of its rounds."""
    parse_round_policies(data)


def read_policy(data: bytes) -> None:
    parse_policy(data)


def read_index(data: bytes) -> None:
    """The index of a sharded checkpoint: it is read, or names nothing; what is written like it names what it must."""
    places_named_by(_INDEX, data)
    layout = {"w": "models/model-1.safetensors"}
    merged = merge_indexes(_INDEX, layout, (12, 3), data, [data, None])
    assert places_named_by(_INDEX, merged) == layout


def read_adapter_config(data: bytes) -> None:
    folder = Path(_scratch_folder().name)
    (folder / CONFIG_FILE).write_bytes(data)
    config = read_config(folder)
    assert isinstance(config.stores_fan_in_first, bool)
    config.is_feedforward(_MODULE)
    config.scaling_of(_MODULE, 8)


def read_definitions(data: bytes) -> None:
    """The evaluations of a project."""
    for definition in parse_definitions(data).values():
        assert definition.digest_program()


def read_result(data: bytes) -> None:
    """A line of results that a remote has: what is read of it is written, too, and read alike."""
    result = parse_line(data)
    assert parse_line(encode_line(result)) == result
    read_scores(result, lambda _: None)


def read_item_scores(data: bytes) -> None:
    """The scores of a result, as a blob of a remote holds them."""
    items = decode_scores(data)
    assert decode_scores(encode_scores(items)) == tuple(sorted(items, key=lambda item: item.id))


def read_score_line(data: bytes) -> None:
    """What an evaluator prints."""
    parse_score_line(data, "mine")


def read_attributes(data: bytes) -> None:
    assert b"".join(line.raw for line in parse_attributes(data)) == data


def read_export(data: bytes) -> None:
    for _ in parse_commits(io.BytesIO(data)):
        pass


@cache
def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process, which its end removes."""
    return tempfile.TemporaryDirectory()
