"""Who calls the filter without being Git, or is cut off, gets a message and an exit code; nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import accumulate

import pytest

from git_theta.cli import boundary
from git_theta.errors import GitError
from git_theta.vcs.filter_protocol import ReadInto, serve_filter
from git_theta.vcs.pktline import Buffer, PacketReader, PacketWriter
from tests.faults.harness import CONVERSATION, assert_decent, small
from tests.sandbox import Sandbox

FLUSH = b"0000"


def packet(payload: bytes) -> bytes:
    return b"%04x" % (len(payload) + 4) + payload


def listed(*lines: bytes) -> list[bytes]:
    return [*(packet(line + b"\n") for line in lines), FLUSH]


HANDSHAKE = [
    *listed(b"git-filter-client", b"version=2"),
    *listed(b"capability=clean", b"capability=smudge", b"capability=delay"),
]
REQUEST = [*listed(b"command=clean", b"pathname=a.safetensors"), packet(b"some "), packet(b"content"), FLUSH]
RECORDED = HANDSHAKE + REQUEST
ENDS = set(accumulate(map(len, RECORDED)))
HANG_UPS = (len(b"".join(HANDSHAKE)), len(b"".join(RECORDED)))
"""Bytes after which Git may hang up: after the greeting, and after a file."""


def filtered(sandbox: Sandbox, sent: bytes) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "git_theta.cli.filter_process"],
        cwd=sandbox.root,
        input=sent,
        capture_output=True,
        timeout=CONVERSATION,
    )
    assert_decent(done.stderr.decode(errors="replace"))
    return done


def served(pieces: list[bytes]) -> bytes:
    """What our side answers to these writes, each seen before the next; raises what ``serve`` does."""

    def echo(readinto: ReadInto, path: str, tree: str) -> Iterator[Buffer]:
        view = memoryview(bytearray(100))
        yield view[: readinto(view)]

    ours, theirs = os.pipe()
    answered, answering = os.pipe()
    with os.fdopen(ours), os.fdopen(answered, "rb") as answers, os.fdopen(theirs, "wb", 0) as sending:
        with os.fdopen(answering, "wb"):
            for piece in pieces:
                sending.write(piece)
            sending.close()
            serve_filter(PacketReader(ours), PacketWriter(answering), {"clean": echo}, boundary.report_error)
        return answers.read()


def test_the_recorded_conversation(empty: Sandbox) -> None:
    done = filtered(empty, b"".join(RECORDED))
    assert done.returncode == 0
    assert b"status=success" in done.stdout
    assert b"kept whole" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("size", [1, 3, 4096], ids="{}-byte-writes".format)
def test_how_the_bytes_arrive_does_not_matter(size: int) -> None:
    sent = b"".join(RECORDED)
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert packet(b"some content") in served(pieces)


def test_every_way_to_be_cut_off() -> None:
    sent = b"".join(RECORDED)
    for size in range(len(sent)):
        if size in HANG_UPS:
            served([sent[:size]])
        else:
            with pytest.raises(GitError):
                served([sent[:size]])


@pytest.mark.parametrize("size", sorted({*ENDS, *(end - 1 for end in ENDS)} - {*HANG_UPS}))
def test_cut_off_near_the_end_of_a_packet(size: int, empty: Sandbox) -> None:
    done = filtered(empty, b"".join(RECORDED)[:size])
    assert done.returncode == GitError.exit_code
    assert done.stderr.count(b"theta: error: ") == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0" * 4096,
        b"\xff" * 10,
        b"GET / HTTP/1.1\r\n\r\n",
        b"zzzz",
        b"+004",
        b"0x04",
        b" 004",
        b"0_04",
        b"0001",
        b"0002",
        b"0003",
        b"".join(listed(b"git-filter-client", b"version=1")),
        b"".join(listed(b"git-filter-server", b"version=2")),
        b"".join(HANDSHAKE + listed(b"command=delete", b"pathname=a")),
        b"".join(HANDSHAKE + listed(b"command=list_available_blobs")),
        b"".join(HANDSHAKE + listed(b"pathname=a")),
        b"".join(HANDSHAKE + listed(b"command=clean")),
        b"".join(HANDSHAKE + listed(b"command=clean", b"pathname=")),
        b"".join(HANDSHAKE + listed(b"command=clean", b"pathname=a\0b") + [packet(b"content"), FLUSH]),
        b"".join([*HANDSHAKE, *listed(b"command=clean", b"pathname=a"), b"what is this"]),
        b"".join([*HANDSHAKE, *listed(b"command=smudge", b"pathname=a"), packet(b"content"), b"0001"]),
        b"".join(HANDSHAKE + [packet(b"x" * 60_000)] * 5),
    ],
    ids=lambda sent: repr(sent[-24:]),
)
def test_not_this_protocol(sent: bytes, empty: Sandbox) -> None:
    done = filtered(empty, sent)
    assert done.returncode == GitError.exit_code
    assert done.stderr.count(b"theta: error: ") == 1


def test_empty_packets_end_nothing(empty: Sandbox) -> None:
    request = [*listed(b"command=smudge", b"pathname=a"), packet(b"some "), packet(b""), packet(b"content"), FLUSH]
    done = filtered(empty, b"".join(HANDSHAKE + request))
    assert done.returncode == 0
    assert packet(b"some content") in done.stdout


def test_packets_of_one_byte(empty: Sandbox) -> None:
    content = small()[:3000]
    request = [
        *listed(b"command=smudge", b"pathname=a"),
        *(packet(content[at : at + 1]) for at in range(len(content))),
        FLUSH,
    ]
    done = filtered(empty, b"".join(HANDSHAKE + request))
    assert done.returncode == 0
    assert packet(content) in done.stdout


@pytest.mark.parametrize("name", [b"d/" * 30_000 + b"a", b"a" * 60_000, b"a\xff\n\"'\\", b"../../outside"])
def test_unusual_pathnames(name: bytes, empty: Sandbox) -> None:
    for command in (b"clean", b"smudge"):
        request = [*listed(b"command=" + command, b"pathname=" + name), packet(b"content"), FLUSH]
        done = filtered(empty, b"".join(HANDSHAKE + request))
        assert done.returncode == 0
        assert done.stdout.endswith(FLUSH + FLUSH)
    assert not (empty.root.parent / "outside").exists()


def test_git_stops_listening(empty: Sandbox) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "git_theta.cli.filter_process"],
        cwd=empty.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    process.stdout.close()
    with process.stdin as sending:
        sending.write(HANDSHAKE[0] + HANDSHAKE[1] + FLUSH)
    assert process.wait(CONVERSATION) == boundary.BROKEN_PIPE
    assert process.stderr and process.stderr.read() == b""
    process.stderr.close()
