"""Whatever a server answers is an error of ours at worst: soon, out of little memory, and without a password in it."""

from __future__ import annotations

import socket
import threading
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from urllib.parse import quote

import pytest
from git_theta.errors import TransportError
from git_theta.store.memory import MemoryStore
from git_theta.transport.base import Transport, TransportSetup

from git_theta_webdav.multistatus import DavFile, read_multistatus
from git_theta_webdav.webdav_transport import WebdavTransport

OID = "ab" * 32
_CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"
ENDLESS = b"\r\nTransfer-Encoding: chunked\r\n\r\n"
_ANSWER = (
    '<multistatus xmlns="DAV:"><response><href>{}</href><propstat><prop>{}</prop></propstat></response></multistatus>'
)


@contextmanager
def answering(*answer: bytes, ending: Iterable[bytes] = ()) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives one answer to every request; its address, and the requests that it got."""
    asked: list[bytes] = []

    def talk(client: socket.socket) -> None:
        with client, suppress(OSError):
            asked.append(client.recv(1 << 16))
            for piece in chain(answer, ending):
                client.sendall(piece)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=listener.accept()[:1], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def open_folder(host: str) -> Transport:
    return WebdavTransport.open_url(TransportSetup(f"webdav://{host}/models"), MemoryStore())


@pytest.mark.parametrize("status", ["207 Multi-Status", "401 Unauthorized", "404 Not Found", "500 Oops"])
def test_an_answer_without_end_keeps_nobody(status: str) -> None:
    begun = f"HTTP/1.1 {status}".encode() + ENDLESS
    with answering(begun, ending=repeat(_CHUNK)) as (host, _), open_folder(host) as transport:
        if status.startswith("404"):
            assert transport.lacking({OID: 1}) == [OID]
        else:
            with pytest.raises(TransportError):
                transport.lacking({OID: 1})


CUT = {
    "in its midst": b"Content-Length: 1000\r\n\r\n<multistatus",
    "in a chunk": b"Transfer-Encoding: chunked\r\n\r\n10\r\n<multi",
    "packed": b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
    "no XML": b"Content-Length: 4\r\n\r\nnone",
}


@pytest.mark.parametrize("rest", CUT.values(), ids=CUT)
def test_a_list_that_cannot_be_read_is_an_error(rest: bytes) -> None:
    with (
        answering(b"HTTP/1.1 207 Multi-Status\r\n", rest) as (host, _),
        open_folder(host) as transport,
        pytest.raises(TransportError),
    ):
        transport.lacking({OID: 1})


ODD = {
    "a size of many digits": f"<getcontentlength>{'9' * 5000}</getcontentlength>",
    "a day of no calendar": "<getlastmodified>Mon, 01 Jan 2020 00:00:00 +99999999999999999999</getlastmodified>",
}


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_what_no_file_can_be_is_not_known(said: str) -> None:
    assert read_multistatus(_ANSWER.format("/x", said).encode()) == {"/x": DavFile(None, None)}


def test_a_path_that_is_no_url_is_an_error() -> None:
    with pytest.raises(TransportError, match="no URL"):
        read_multistatus(_ANSWER.format("http://[x", "").encode())


def test_a_size_of_many_digits_is_none_of_an_object() -> None:
    content = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nx"
    with answering(content) as (host, _):
        folder = WebdavTransport.open_url(TransportSetup(f"webdav://{host}/models"), MemoryStore())._folder
        with suppress(TransportError), folder.open_file("x", 0) as stream:
            assert stream is not None
            assert stream.size is None
        folder.close()


@pytest.mark.parametrize("password", ["łąka", "pässword", "a:b@c"])
def test_a_password_of_any_letters_is_sent_as_git_sends_it(password: str) -> None:
    with (
        answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as (host, asked),
        open_folder(f"ann:{quote(password, safe='')}@{host}") as transport,
    ):
        transport.lacking({OID: 1})
    [line] = [line for line in asked[0].split(b"\r\n") if line.lower().startswith(b"authorization:")]
    assert b64decode(line.split()[-1]).decode() == f"ann:{password}"


@pytest.mark.parametrize("url", ["webdav://ann:secret@[::1/x", "webdav://ann:secret@host℀/x"])
def test_what_is_no_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(TransportError) as caught:
        WebdavTransport.open_url(TransportSetup(url), MemoryStore())
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"
