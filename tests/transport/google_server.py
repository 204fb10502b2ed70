"""A server that speaks Google Cloud Storage's XML API, as far as obstore does, on loopback; with faults on request.

What stands in for that service elsewhere speaks its JSON API alone. Ours is strict: what it does not know is answered
400, every request is signed by the service account, and a part of an upload that is too small is refused, as Google
does. https://cloud.google.com/storage/docs/xml-api/overview
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.loopback import LoopbackServer

EMAIL = "pusher@project.iam.gserviceaccount.com"
_PAGE = 1000
_LEAST_PART = 5 << 20
_CHUNK = 1 << 16
_OPTIONAL = {"prefix", "delimiter", "continuation-token", "max-keys", "start-after"}
"""What a list may be asked for with."""
_PATH = re.compile(r"/(?P<bucket>[^/]+)/?(?P<key>.*)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")

Kind = Literal["cut", "slow", "stall", "altered", "short", "long", "lost"]
"""cut: the connection ends in the middle. slow: a few bytes at a time. stall: it stays open, and nothing comes.
altered, short, long: other bytes than are there, or than were sent. lost: taken with 200, and not kept."""


class Fault(NamedTuple):
    """What goes wrong.

    Attributes:
        method: of the requests that it hits, for objects: GET, HEAD, PUT, POST; LIST for lists.
        kind: what; an HTTP status stands for itself.
        times: how many requests it hits; None for all.
    """

    method: str
    kind: Kind | int
    times: int | None = None


class Blob(NamedTuple):
    """An object of a bucket: its bytes, and when it came, in seconds since the epoch."""

    content: bytes
    moment: float

    @property
    def tag(self) -> str:
        """What HTTP calls its entity tag."""
        return f'"{hashlib.md5(self.content).hexdigest()}"'


@dataclass
class Upload:
    """An upload in parts that is not complete: where to, and its parts by number."""

    bucket: str
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)


@cache
def _account_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class GoogleServer:
    """The server, on a free port of 127.0.0.1, while the ``with`` block lasts. It keeps everything in memory.

    Attributes:
        buckets: of each bucket its objects by key.
        uploads: those in parts that are not complete, by id.
        is_public: whether everybody is let in.
        fault: what goes wrong now.
        requests: what was asked, the oldest first: method (LIST for lists), bucket and key.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Blob]] = {}
        self.uploads: dict[str, Upload] = {}
        self.is_public = False
        self.fault: Fault | None = None
        self.requests: list[tuple[str, str, str]] = []
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._http = LoopbackServer(type("Handler", (_Handler,), {"server_of_tests": self}))

    @property
    def url(self) -> str:
        """Where it is."""
        return self._http.url

    def make_bucket(self, name: str) -> str:
        """A new bucket, whose name is made from this text; returns its name."""
        bucket = f"theta-{hashlib.sha256(name.encode()).hexdigest()[:40]}"
        self.buckets[bucket] = {}
        return bucket

    def write_account(self, folder: Path, *, known: bool = True) -> Path:
        """The file of a service account's key that lets its owner in here, or not."""
        key = _account_key() if known else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file = folder / "service-account.json"
        account = {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key_id": "1",
            "private_key": key.private_bytes(*form).decode(),
        }
        file.write_text(json.dumps(account))
        return file

    def strike(self, method: str, *kinds: Kind) -> Fault | None:
        """The fault that hits this request: of these kinds, or a status where none is named."""
        with self._lock:
            fault = self.fault
            if fault is None or fault.method != method or fault.times == 0:
                return None
            if fault.kind not in kinds and (kinds or not isinstance(fault.kind, int)):
                return None
            if fault.times is not None:
                self.fault = fault._replace(times=fault.times - 1)
            return fault

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._http.__exit__(kind, error, trace)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_of_tests: GoogleServer

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        place = _PATH.fullmatch(unquote(parts.path))
        self._query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self._bucket, self._key = (place["bucket"], place["key"]) if place else ("", "")
        self._verb = "LIST" if self.command == "GET" and not self._key else self.command
        server = self.server_of_tests
        server.requests.append((self._verb, self._bucket, self._key))
        with contextlib.suppress(OSError):  # whoever asked is gone
            if server.strike(self._verb, "stall"):
                server.ended.wait()
                self.close_connection = True
                return
            body = self._read_body()
            if body is None:
                return
            if fault := server.strike(self._verb):
                assert isinstance(fault.kind, int)
                self._refuse(fault.kind, f"Test{fault.kind}")
            elif not server.is_public and not _is_signed(self.headers.get("Authorization") or ""):
                self._refuse(401, "AuthenticationRequired")
            elif self._bucket not in server.buckets:
                self._refuse(404, "NoSuchBucket")
            else:
                self._answer_request(body)

    def _read_body(self) -> bytes | None:
        """What was sent; None where the connection has ended."""
        size = int(self.headers.get("Content-Length") or 0)
        if self.server_of_tests.strike(self._verb, "cut") if self.command in ("PUT", "POST") else None:
            self.rfile.read(size // 2)
            self._hang_up()
            return None
        body = self.rfile.read(size)
        if len(body) < size:
            self.close_connection = True
            return None
        return body

    def _answer_request(self, body: bytes) -> None:
        answers = {
            ("LIST", frozenset({"list-type"})): self._list,
            ("GET", frozenset()): self._get,
            ("HEAD", frozenset()): self._get,
            ("DELETE", frozenset()): self._delete,
            ("DELETE", frozenset({"uploadId"})): self._abort,
            ("POST", frozenset({"uploads"})): self._initiate,
        }
        takers = {
            ("PUT", frozenset()): self._put,
            ("PUT", frozenset({"partNumber", "uploadId"})): self._put_part,
            ("POST", frozenset({"uploadId"})): self._complete,
        }
        asked = (self._verb, frozenset(self._query.keys() - (_OPTIONAL if self._verb == "LIST" else set())))
        if asked in answers:
            answers[asked]()
        elif asked in takers:
            takers[asked](body)
        else:
            self._refuse(400, "NotImplementedHere")

    # Objects

    @property
    def _objects(self) -> dict[str, Blob]:
        return self.server_of_tests.buckets[self._bucket]

    def _put(self, body: bytes) -> None:
        if self.headers.get("x-goog-if-generation-match") == "0" and self._key in self._objects:
            self._refuse(412, "PreconditionFailed")
            return
        self._keep(body)
        self._answer(200, headers={"ETag": Blob(body, 0).tag, "x-goog-generation": "1"})

    def _keep(self, body: bytes) -> None:
        server = self.server_of_tests
        if server.strike(self.command, "lost"):
            return
        if strange := server.strike(self.command, "altered", "short", "long"):
            body = _spoil(body, str(strange.kind))
        self._objects[self._key] = Blob(body, time.time())

    def _get(self) -> None:
        blob = self._objects.get(self._key)
        if blob is None:
            self._refuse(404, "NoSuchKey")
            return
        content, status = blob.content, 200
        headers = {"ETag": blob.tag, "Last-Modified": formatdate(blob.moment, usegmt=True), "x-goog-generation": "1"}
        if asked := _RANGE.fullmatch(self.headers.get("Range") or ""):
            start, size = int(asked[1]), len(content)
            end = min(int(asked[2]) + 1 if asked[2] else size, size)
            if start >= size:
                self._refuse(416, "InvalidRange")
                return
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            content, status = content[start:end], 206
        if strange := self.server_of_tests.strike(self._verb, "altered", "short", "long"):
            content = _spoil(content, str(strange.kind))
        self._answer(status, content, headers)

    def _delete(self) -> None:
        if self._objects.pop(self._key, None) is None:
            self._refuse(404, "NoSuchKey")
        else:
            self._answer(204)

    # Uploads in parts

    def _initiate(self) -> None:
        name = uuid.uuid4().hex
        self.server_of_tests.uploads[name] = Upload(self._bucket, self._key)
        self._answer(200, _xml("InitiateMultipartUploadResult", Bucket=self._bucket, Key=self._key, UploadId=name))

    def _find_upload(self) -> Upload | None:
        upload = self.server_of_tests.uploads.get(self._query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (self._bucket, self._key):
            self._refuse(404, "NoSuchUpload")
            return None
        return upload

    def _put_part(self, body: bytes) -> None:
        if upload := self._find_upload():
            upload.parts[int(self._query["partNumber"])] = body
            self._answer(200, headers={"ETag": Blob(body, 0).tag})

    def _complete(self, body: bytes) -> None:
        upload = self._find_upload()
        if upload is None:
            return
        told = [(int(part.findtext("PartNumber") or 0), part.findtext("ETag")) for part in ElementTree.fromstring(body)]
        parts = [upload.parts.get(number, b"") for number, _ in told]
        if [Blob(part, 0).tag for part in parts] != [tag for _, tag in told] or told != sorted(told):
            self._refuse(400, "InvalidPart")
        elif any(len(part) < _LEAST_PART for part in parts[:-1]):
            self._refuse(400, "EntityTooSmall")
        else:
            del self.server_of_tests.uploads[self._query["uploadId"]]
            self._keep(b"".join(parts))
            answer = _xml("CompleteMultipartUploadResult", Bucket=self._bucket, Key=self._key, ETag=Blob(body, 0).tag)
            self._answer(200, answer, {"x-goog-generation": "1"})

    def _abort(self) -> None:
        if self._find_upload():
            del self.server_of_tests.uploads[self._query["uploadId"]]
            self._answer(204)

    # Lists

    def _list(self) -> None:
        if self._query["list-type"] != "2" or self._query.get("delimiter"):
            self._refuse(400, "NotImplementedHere")
            return
        prefix = self._query.get("prefix", "")
        after = self._query.get("continuation-token") or self._query.get("start-after") or ""
        found = sorted(key for key in list(self._objects) if key.startswith(prefix) and key > after)
        page = found[: min(_PAGE, int(self._query.get("max-keys") or _PAGE))]
        more = _element("NextContinuationToken", page[-1]) if len(page) < len(found) else ""
        entries = "".join(_describe(key, self._objects[key]) for key in page)
        self._answer(200, f"<ListBucketResult>{entries}{more}</ListBucketResult>".encode())

    # Answers

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, _xml("Error", Code=code, Message=f"the server says {status}"))

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.command == "GET" and self.server_of_tests.strike(self._verb, "cut")
        slow = self.command == "GET" and self.server_of_tests.strike(self._verb, "slow")
        left = memoryview(body)[: len(body) // 2 if cut else len(body)]
        while left:
            self.wfile.write(left[:_CHUNK])
            left = left[_CHUNK:]
            if slow:
                time.sleep(0.05)
        if cut:
            self._hang_up()


def _spoil(content: bytes, kind: str) -> bytes:
    return {"altered": b"Z" + content[1:], "short": content[:-5], "long": content + b"extra"}[kind]


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _xml(root: str, **children: str) -> bytes:
    return f"<{root}>{''.join(_element(name, text) for name, text in children.items())}</{root}>".encode()


def _describe(key: str, blob: Blob) -> str:
    moment = datetime.fromtimestamp(blob.moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    children = {"Key": key, "LastModified": moment, "ETag": blob.tag, "Size": str(len(blob.content))}
    return f"<Contents>{''.join(_element(name, text) for name, text in children.items())}</Contents>"


def _is_signed(authorization: str) -> bool:
    """Whether the request has a token that the service account has signed for itself, and that has not expired."""
    scheme, _, token = authorization.partition(" ")
    parts = token.split(".")
    if scheme != "Bearer" or len(parts) != 3:
        return False
    head, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
    try:
        signed = f"{parts[0]}.{parts[1]}".encode()
        _account_key().public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except Exception:
        return False
    told = json.loads(claims)
    return bool(json.loads(head)["alg"] == "RS256" and told["iss"] == EMAIL and told["exp"] > time.time())
