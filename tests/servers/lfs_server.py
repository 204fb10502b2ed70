"""A Git LFS server for tests, on loopback: the batch API and basic transfers, with faults on request.

One server holds many repositories, each a folder that it is given: ``with LfsServer() as server:
server.add_repository(folder).url``. What a repository does wrong, whom it lets in and how slow it is may change while
it serves. The protocol is that of git-lfs's docs/api.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from tests.servers.loopback import LoopbackServer

JSON = "application/vnd.git-lfs+json"
_CHUNK = 1 << 20
SLOW_PIECE = 1 << 14
"""Bytes at a time of a download that is slow."""
_PATH = re.compile(r"/(?P<number>\d+)/[^?]*?info/lfs/(?P<rest>[^?]*)")

Stage = Literal["batch", "upload", "download", "verify", "git"]
"""At which request; ``git`` is any of Git's own, of a host that has both (``git_http.py``)."""
Kind = Literal["cut", "slow", "stall", "altered", "short", "long", "endless", "lost", "liar", "refused"]
"""cut: the connection ends in the middle. slow: a few bytes at a time. stall: it stays open, and nothing comes.
altered, short, long: other bytes than asked for, or than were sent. endless: 256 MB, and no word of where it ends.
lost: taken with 200, and not kept. liar: who wants to upload is told that everything is there. refused: the batch
refuses each object by itself, with ``code``."""


class Fault(NamedTuple):
    """What goes wrong.

    Attributes:
        stage: at which request.
        kind: what; an HTTP status stands for itself.
        times: how many requests it hits; None for all.
        skip: how many go well before.
        code: of an object that is refused.
        wait: what Retry-After says, in seconds; None for no such header.
    """

    stage: Stage
    kind: Kind | int
    times: int | None = None
    code: int = 422
    wait: int | None = None
    skip: int = 0


@dataclass
class LfsRepository:
    """What one repository of the server holds, and how it behaves.

    Attributes:
        url: its endpoint; with ``/objects/batch`` behind it, where one asks.
        folder: its objects are ``folder/OID``, and nothing else is there.
        fault: what goes wrong now.
        credentials: user and password that it asks for; None lets everybody in.
        cookie: what lets somebody in as well, as a browser would send it; "" for none.
        losing: whether what is uploaded is taken, and not kept.
        echoes_sizes: whether the batch tells the sizes that it was asked about, as many servers do.
        refuses_as_one: whether a request for objects of which none is there is answered 404, as giftless does.
        latency: seconds before each answer.
        rate: bytes of objects a second, of all who come and go together; 0 for as many as there are.
        requests: what was asked, oldest first: method, rest of the path.
        sent: bytes of objects that went to clients, as far as these took them.
    """

    url: str
    folder: Path
    fault: Fault | None = None
    credentials: tuple[str, str] | None = None
    cookie: str = ""
    losing: bool = False
    echoes_sizes: bool = False
    refuses_as_one: bool = False
    latency: float = 0
    rate: float = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _line_free: float = 0

    def place_of(self, oid: str) -> Path:
        """Where an object is. Raises ValueError for what is no id."""
        if not re.fullmatch("[0-9a-f]{64}", oid):
            raise ValueError(f"no object id: {oid!r}")
        return self.folder / oid

    def note(self, method: str, rest: str) -> None:
        """Write a request down."""
        with self._lock:
            self.requests.append((method, rest))

    def pass_line(self, size: int) -> None:
        """Wait for as long as so many bytes of an object take on a line of our ``rate``."""
        if not self.rate:
            return
        with self._lock:
            self._line_free = max(self._line_free, time.monotonic()) + size / self.rate
            wait = self._line_free - time.monotonic()
        time.sleep(max(0, wait))

    def strike(self, stage: Stage, *kinds: Kind) -> Fault | None:
        """The fault that hits this request: of these kinds, or a status where none is named."""
        with self._lock:
            fault = self.fault
            if fault is None or fault.stage != stage or fault.times == 0:
                return None
            if fault.kind not in kinds and (kinds or not isinstance(fault.kind, int)):
                return None
            if fault.skip:
                self.fault = fault._replace(skip=fault.skip - 1)
                return None
            if fault.times is not None:
                self.fault = fault._replace(times=fault.times - 1)
            return fault

    def wants(self, oid: str, size: int) -> bool:
        """Whether the object is not here, or not whole."""
        place = self.place_of(oid)
        return not place.is_file() or place.stat().st_size != size


class LfsServer:
    """The server, on a port of 127.0.0.1, while the ``with`` block lasts; on a free one, if nothing is said.

    It speaks TLS where it is given a context for that.
    """

    def __init__(
        self, handler: type[LfsHandler] | None = None, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._repositories: list[LfsRepository] = []
        self.ended = threading.Event()
        serving = type("Handler", (handler or LfsHandler,), {"server_of_tests": self})
        self._http = LoopbackServer(serving, port, tls)

    @property
    def root(self) -> str:
        """The URL of the host."""
        return self._http.url

    def add_repository(self, folder: Path) -> LfsRepository:
        """Serve a folder, which is made, as a repository of its own; the same one for the same folder."""
        for one in self._repositories:
            if one.folder == folder:
                return one
        folder.mkdir(parents=True, exist_ok=True)
        made = LfsRepository(f"{self.root}/{len(self._repositories)}/team/model.git/info/lfs", folder)
        self._repositories.append(made)
        return made

    def find_repository(self, path: str) -> tuple[LfsRepository, str] | None:
        """The repository that a request's path names, and what is left of the path; None where there is none."""
        found = _PATH.match(path)
        return (self._repositories[int(found["number"])], found["rest"]) if found else None

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._http.__exit__(kind, error, trace)


class LfsHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: LfsServer
    repository: LfsRepository

    def do_POST(self) -> None:
        """The batch, and the upload's verify action."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self._serve() as rest:
            if rest == "objects/batch":
                self._answer_batch(json.loads(body))
            elif rest == "verify":
                self._verify(json.loads(body))
            else:
                self._answer(404, {"message": "Not found"})

    def do_PUT(self) -> None:
        """An upload."""
        with self._serve() as rest:
            self._receive(rest.rpartition("/")[2])

    def do_GET(self) -> None:
        """A download."""
        with self._serve() as rest:
            self._send(rest.rpartition("/")[2])

    @contextlib.contextmanager
    def _serve(self) -> Iterator[str]:
        """Find the repository, ask who it is, and answer; what is left of the path."""
        found = self.server_of_tests.find_repository(self.path)
        if not found:
            self._answer(404, {"message": "No such repository"})
            self.close_connection = True
            yield ""
            return
        self.repository, rest = found
        self.repository.note(self.command, rest)
        time.sleep(self.repository.latency)
        with contextlib.suppress(OSError):  # whoever asked is gone
            yield rest

    # Batch

    def _answer_batch(self, asked: Mapping[str, object]) -> None:
        if self._refuse("batch"):
            return
        if not self.is_let_in():
            self._answer(401, {"message": "Credentials needed"}, {"LFS-Authenticate": 'Basic realm="tests"'})
            return
        objects, upload = asked["objects"], asked["operation"] == "upload"
        assert isinstance(objects, list)
        describe = self._describe_upload if upload else self._describe_download
        refused = self.repository.strike("batch", "refused")
        liar = upload and self.repository.strike("batch", "liar")
        answer = []
        for one in objects:
            oid, size = one["oid"], one["size"]
            if refused:
                about: Mapping[str, object] = {"error": {"code": refused.code, "message": "refused by this host"}}
            elif liar:
                about = {}
            else:
                about = describe(oid, size)
            answer.append({"oid": oid, "size": size, "authenticated": True, **about})
        if self.repository.refuses_as_one and not upload and all("error" in one for one in answer):
            self._answer(404, {"message": "Cannot find any of the requested objects"})
            return
        self._answer(200, {"transfer": "basic", "objects": answer})

    def _describe_download(self, oid: str, size: int) -> Mapping[str, object]:
        place = self.repository.place_of(oid)
        if not place.is_file():
            return {"error": {"code": 404, "message": "Object does not exist"}}
        told = size if self.repository.echoes_sizes else place.stat().st_size
        return {"size": told, "actions": {"download": {"href": f"{self.repository.url}/objects/{oid}"}}}

    def _describe_upload(self, oid: str, size: int) -> Mapping[str, object]:
        if not self.repository.wants(oid, size):
            return {}
        actions = {"upload": f"{self.repository.url}/objects/{oid}", "verify": f"{self.repository.url}/verify"}
        return {"actions": {name: {"href": href} for name, href in actions.items()}}

    def is_let_in(self) -> bool:
        if self.repository.credentials is None or (
            self.repository.cookie and self.repository.cookie in (self.headers.get("Cookie") or "")
        ):
            return True
        wanted = base64.b64encode(":".join(self.repository.credentials).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    # Transfers

    def _receive(self, oid: str) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self._refuse("upload", drain=size):
            return
        if self.repository.strike("upload", "cut"):
            self._hang_up(size // 2)
            return
        if self.repository.strike("upload", "stall"):
            self.server_of_tests.ended.wait()
            return
        lost = self.repository.strike("upload", "lost") or self.repository.losing
        altered = self.repository.strike("upload", "altered", "short", "long")
        self._keep(oid, size, lost=bool(lost), altered=str(altered.kind) if altered else "")

    def _keep(self, oid: str, size: int, *, lost: bool, altered: str) -> None:
        """Take an upload; beside the folder until it is whole, so that nobody sees half of it."""
        beside = self.repository.folder.with_name(f"{self.repository.folder.name}-{threading.get_ident()}.part")
        digest = hashlib.sha256()
        try:
            with beside.open("wb") as file:
                for chunk in self._body(size):
                    self.repository.pass_line(len(chunk))
                    digest.update(chunk)
                    file.write(chunk)
                if altered:
                    file.seek(0, os.SEEK_END)
                    file.truncate(max(0, size + {"short": -5, "long": 5}.get(altered, 0)))
                    file.seek(0)
                    file.write(b"Z" if altered == "altered" else b"")
            if digest.hexdigest() != oid:
                self._answer(422, {"message": "these are not the bytes of that object"})
                return
            if not lost:
                beside.rename(self.repository.place_of(oid))
            self._answer(200, {})
        finally:
            beside.unlink(missing_ok=True)

    def _body(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self.rfile.read(min(size, _CHUNK))
            if not chunk:
                raise ConnectionError("the client is gone")
            size -= len(chunk)
            yield chunk

    def _verify(self, asked: Mapping[str, object]) -> None:
        if self._refuse("verify"):
            return
        silent = self.repository.losing or (self.repository.fault and self.repository.fault.kind == "lost")
        oid, size = asked["oid"], asked["size"]
        assert isinstance(oid, str) and isinstance(size, int)
        there = silent or not self.repository.wants(oid, size)
        self._answer(200 if there else 404, {"message": "" if there else "Not there"})

    def _send(self, oid: str) -> None:
        if self._refuse("download"):
            return
        place = self.repository.place_of(oid)
        if not place.is_file():
            self._answer(404, {"message": "Not there"})
            return
        if self.repository.strike("download", "stall"):
            self.server_of_tests.ended.wait()
            return
        strange = self.repository.strike("download", "altered", "short", "long")
        if strange:
            content = place.read_bytes()
            edited = {"altered": b"Z" + content[1:], "short": content[:-5], "long": content + b"extra"}
            self._answer(200, edited[str(strange.kind)])
            return
        if self.repository.strike("download", "endless"):
            self._send_endlessly()
            return
        self._send_file(place)

    def _send_endlessly(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(256):
            self.wfile.write(bytes(_CHUNK))
            time.sleep(0.02)
        self.close_connection = True

    def _send_file(self, place: Path) -> None:
        """A file's bytes, from where Range says."""
        size = place.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range") or "")
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        cut, slow = self.repository.strike("download", "cut"), self.repository.strike("download", "slow")
        left = (size - start) // 2 if cut else size - start
        with place.open("rb") as file:
            file.seek(start)
            while left and (chunk := file.read(min(left, SLOW_PIECE if slow else _CHUNK))):
                left -= len(chunk)
                self.repository.pass_line(len(chunk))
                self.wfile.write(chunk)
                self.repository.sent += len(chunk)
                if slow:
                    time.sleep(0.05)
        if cut:
            self._hang_up()

    # Answers

    def _refuse(self, stage: Stage, drain: int = 0) -> bool:
        """Answer with the status that is the fault now, if there is one, or never."""
        if stage == "batch" and self.repository.strike(stage, "stall"):
            self.server_of_tests.ended.wait()
            self.close_connection = True
            return True
        fault = self.repository.strike(stage)
        if not fault:
            return False
        for _ in self._body(drain):
            pass
        assert isinstance(fault.kind, int)
        more = {"Retry-After": str(fault.wait)} if fault.wait is not None else {}
        if fault.kind == 401:
            more["LFS-Authenticate"] = 'Basic realm="tests"'
        self._answer(fault.kind, {"message": f"the test says {fault.kind}"}, more)
        return True

    def _hang_up(self, after: int = 0) -> None:
        for _ in self._body(after):
            pass
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)

    def _answer(
        self, status: int, body: Mapping[str, object] | bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
