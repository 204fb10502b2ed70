"""A host that sends us elsewhere, or answers nonsense, gets nothing out of us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from git_theta.errors import TransportError
from git_theta.transport.lfs.batch import BatchClient
from git_theta.transport.lfs.endpoint import parse_endpoint
from git_theta.transport.lfs.http_exchange import build_opener, post
from git_theta.transport.patience import Patience
from git_theta.vcs.http_settings import HttpSettings
from tests.sandbox import Sandbox
from tests.servers.loopback import LoopbackServer

_HEADERS = {
    "Accept": "application/json",
    "Authorization": "Basic bWU6c2VjcmV0",
    "Cookie": "session=secret",
    "Private-Token": "secret",
    "X-Api-Key": "secret",
}


@contextmanager
def answering(
    status: int, headers: Mapping[str, str], body: bytes = b"{}"
) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """A host that always answers so: its URL, and the headers of what it was asked."""
    asked: list[Mapping[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with LoopbackServer(Handler) as server:
        yield f"{server.url}/R", asked


def test_nothing_that_lets_us_in_goes_to_another_host() -> None:
    """Whatever the header is called: hosts have tokens of their own, which http.extraHeader holds."""
    with answering(200, {}) as (there, asked), answering(307, {"Location": there}) as (here, first):
        assert post(build_opener(HttpSettings()), here, b"{}", _HEADERS, 5).status == 200
    assert first[0].items() >= {name.lower(): value for name, value in _HEADERS.items()}.items()
    assert asked[0]["accept"] == "application/json"
    assert asked[0]["content-length"] == "2"
    assert asked[0]["host"] == there.split("/")[2]
    assert "secret" not in str(asked) and "bWU6c2VjcmV0" not in str(asked)


def test_what_lets_us_in_goes_along_on_the_same_host() -> None:
    with answering(307, {"Location": "/elsewhere"}) as (here, asked):
        post(build_opener(HttpSettings()), here, b"{}", _HEADERS, 5)
    assert [one["private-token"] for one in asked] == ["secret"] * len(asked)
    assert len(asked) > 1


@pytest.mark.parametrize(
    "place",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://[",
        "http://127.0.0.1:nan/",
        "http://ä.example/\x7f",
        "data:,{}",
    ],
)
def test_odd_places_are_an_error_of_the_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(sandbox.root)
    with answering(302, {"Location": place}) as (here, _):
        client = BatchClient(parse_endpoint(here), print, ask=False, patience=Patience(pause=0.01))
        with pytest.raises(TransportError, match=r"127\.0\.0\.1 "):
            client.look_up({"0" * 64: 1})


def test_odd_answers_are_an_error_of_the_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)
    odd = (
        b"[" * 100_000, b'{"objects": 1}', b'{"objects": [[]]}', b"[]", b"null", b"\xff", b'{"objects": ' + b"9" * 5000,
        b'{"objects": {"a": {}}}',
    )  # fmt: skip
    for body in odd:
        with answering(200, {}, body) as (here, _):
            client = BatchClient(parse_endpoint(here), print, ask=False, patience=Patience(pause=0.01))
            with pytest.raises(TransportError, match="does not answer as a Git LFS server does"):
                client.look_up({"0" * 64: 1})
