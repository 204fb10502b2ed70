"""A host on loopback: Git over smart HTTP and Git LFS behind one URL, with a password, and counted by the byte."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import unquote, urlsplit

from tests.servers.lfs_server import LfsHandler, LfsRepository, LfsServer

_CHUNK = 1 << 16
_PATH = re.compile(r"/(?P<name>[^/]+\.git)/(?P<rest>[^?]*)(?:\?(?P<query>.*))?")
_LFS = "info/lfs/"
_SETTINGS = {"http.receivepack": "true", "uploadpack.allowFilter": "true", "receive.autogc": "false"}
"""Anybody whom we let in may push; partial clones; no process that goes on when a push has ended."""


class Request(NamedTuple):
    """One request that was answered.

    Attributes:
        method, path: as sent.
        status: of the answer.
        received: bytes of its body, as they came over the wire but for the framing of chunks.
        sent: bytes of the answer's body.
    """

    method: str
    path: str
    status: int
    received: int
    sent: int


class GitHost(LfsServer):
    """Serves bare repositories at ``URL/NAME.git``, and at ``URL/NAME.git/info/lfs`` the LFS objects of each.

    Args:
        folder: where the repositories are. The objects of ``NAME.git`` are ``NAME.git/lfs/objects/OID``.
        credentials: user and password that everything asks for; None lets everybody in.
        port: of 127.0.0.1; 0 for one that is free.

    """

    def __init__(self, folder: Path, credentials: tuple[str, str] | None = None, port: int = 0) -> None:
        super().__init__(_HostHandler, port)
        self.folder = folder
        self._answered: list[Request] = []
        self._under_way = 0
        self._change = threading.Condition()
        # As it is now: what a test sets later is for its people, not for the host.
        self.environment = dict(os.environ)
        self._credentials = credentials
        self._by_name: dict[str, LfsRepository] = {}

    def create(self, name: str, object_format: str = "sha1") -> str:
        """A new bare repository, or one that lies there already; its URL."""
        if not (self.folder / name).exists():
            command = ["git", "init", "--quiet", "--bare", f"--object-format={object_format}", str(self.folder / name)]
            subprocess.run(command, check=True, env=self.environment)
        objects = self.folder / name / "lfs" / "objects"
        objects.mkdir(parents=True, exist_ok=True)
        url = f"{self.root}/{name}"
        self._by_name[name] = LfsRepository(f"{url}/info/lfs", objects, credentials=self._credentials)
        return url

    def lfs(self, name: str) -> LfsRepository:
        """What a repository holds of Git LFS, and how it behaves; its credentials and latency are Git's too."""
        return self._by_name[name]

    def objects(self, name: str) -> dict[str, int]:
        """The LFS objects of a repository: oid to size in bytes."""
        return {file.name: file.stat().st_size for file in self.lfs(name).folder.iterdir()}

    def find_repository(self, path: str) -> tuple[LfsRepository, str] | None:
        found = _PATH.fullmatch(unquote(path))
        repository = self._by_name.get(found["name"]) if found else None
        return (repository, found["rest"].removeprefix(_LFS)) if found and repository else None

    @property
    def requests(self) -> list[Request]:
        """What was answered, in the order of the answers.

        A client may end before we do, so we wait for what is under way.
        """
        with self._change:
            self._change.wait_for(lambda: not self._under_way, timeout=10)
            return self._answered

    @contextlib.contextmanager
    def count(self) -> Iterator[Callable[[Request], None]]:
        """Hold back who asks for the requests while one is answered; write it down with what this gives."""
        with self._change:
            self._under_way += 1
        try:
            yield self._answered.append
        finally:
            with self._change:
                self._under_way -= 1
                self._change.notify_all()

    def moved_bytes(self, method: str, part: str = "/info/lfs/objects/") -> int:
        """Bytes of the bodies that came (PUT, POST) or went (GET) in requests to paths with ``part`` in them."""
        found = [one for one in self.requests if one.method == method and part in one.path]
        return sum(one.sent if method == "GET" else one.received for one in found)


class _HostHandler(LfsHandler):
    server_of_tests: GitHost
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # noqa: N802
        self._answer_counted(super().do_GET)

    def do_POST(self) -> None:  # noqa: N802
        self._answer_counted(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802
        self._answer_counted(super().do_PUT)

    def send_response(self, code: int, message: str | None = None) -> None:
        self._status = code
        super().send_response(code, message)

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Content-Length":
            self._sent = int(value)
        super().send_header(keyword, value)

    def _answer_counted(self, answer_lfs: Callable[[], None]) -> None:
        self._status, self._sent, self._received = 0, 0, int(self.headers.get("Content-Length") or 0)
        with self.server_of_tests.count() as note:
            if f".git/{_LFS}" in self.path:
                answer_lfs()
            else:
                try:
                    self._answer_git()
                except ConnectionError:  # the client was killed: half a request is none
                    self.close_connection = True
            note(Request(self.command, self.path, self._status, self._received, self._sent))

    def _answer_git(self) -> None:
        with tempfile.TemporaryFile(buffering=0) as body:
            self._received = sum(map(body.write, self._body_pieces()))
            body.seek(0)
            found = self.server_of_tests.find_repository(self.path)
            if not found:
                self._answer(404, b"no such repository")
                return
            self.repository, _ = found
            time.sleep(self.repository.latency)
            if self.repository.strike("git", "stall"):
                self.server_of_tests.ended.wait()
                raise ConnectionResetError
            if self._refuse("git"):
                return
            if self.is_let_in():
                self._run_git(body)
            else:
                self._answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="tests"'})

    def _body_pieces(self) -> Iterator[bytes]:
        """The request's body, without the framing of chunks. Raises ConnectionError where it was cut."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield from self._body(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self._read_line().partition(b";")[0], 16):
            yield from self._body(size)
            self._read_line()
        while self._read_line().strip():  # trailers
            pass

    def _read_line(self) -> bytes:
        line = self.rfile.readline(_CHUNK)
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        return line

    def _run_git(self, body: IO[bytes]) -> None:
        """Hand the request to ``git http-backend``, which undoes gzip itself, and stream what it answers."""
        process = subprocess.Popen(
            ["git", "http-backend"],
            env=self.server_of_tests.environment | self._cgi_variables(),
            stdin=body,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            assert process.stdout
            headers = {}
            while line := process.stdout.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name] = value
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            self._send_chunks(headers, process.stdout)
        if "git-receive-pack" in self.path and self.command == "POST" and self.repository.strike("git", "lost"):
            self._forget_refs()

    def _forget_refs(self) -> None:
        """Take back what was just told to be taken."""
        found = _PATH.fullmatch(self.path)
        assert found
        git = ["git", "-C", str(self.server_of_tests.folder / found["name"])]
        environment = self.server_of_tests.environment
        refs = subprocess.check_output([*git, "for-each-ref", "--format=delete %(refname)"], env=environment)
        subprocess.run([*git, "update-ref", "--stdin"], input=refs, check=True, env=environment)

    def _cgi_variables(self) -> dict[str, str]:
        found = _PATH.fullmatch(self.path)
        assert found
        settings = {f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(_SETTINGS)}
        settings |= {f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(_SETTINGS.values())}
        return settings | {
            "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(self.server_of_tests.folder),
            "PATH_INFO": unquote(f"/{found['name']}/{found['rest']}"),
            "QUERY_STRING": found["query"] or "",
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(self._received),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": self.repository.credentials[0] if self.repository.credentials else "",
            "REMOTE_ADDR": self.client_address[0],
        }

    def _send_chunks(self, headers: Mapping[str, str], stream: IO[bytes]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        cut, altered = self.repository.strike("git", "cut"), self.repository.strike("git", "altered")
        while piece := stream.read1(_CHUNK):  # type: ignore[attr-defined]
            if cut:
                self.wfile.write(b"%x\r\n%s" % (len(piece), piece[: len(piece) // 2]))
                raise ConnectionResetError
            if altered:
                piece = piece[:-40] + b"Z" * min(40, len(piece))
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self._sent += len(piece)
        self.wfile.write(b"0\r\n\r\n")


def store_password(home: Path, url: str, name: str, password: str) -> Path:
    """Have Git ask a credential helper of this person's own, for the host of a URL; the list of what it is asked.

    The helper is a script. It knows one host, and appends a line to that list whenever it is called.
    """
    script, asked = home / "credential-helper", home / "credentials-asked"
    script.write_text(
        "#!/bin/sh\n"
        f'words="$1 $(cat | tr "\\n" " ")"\necho "$words" >> {asked}\n'
        f'case "$words" in "get "*host={urlsplit(url).netloc}*)\n'
        f'  echo username={name}; echo "password={password}";;\nesac\n'
    )
    script.chmod(0o755)
    asked.touch()
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[credential]\n\thelper = {script}\n")
    return asked


def main() -> None:
    """Serve a folder of repositories to everybody until we are killed; says where, once it listens."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    with GitHost(folder, port=port) as host:
        for repository in folder.glob("*.git"):
            host.create(repository.name)
        print(host.root, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
