"""The git transport runs the kit, against a bare repository by its path."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, TransportError
from git_theta.store.base import Store
from git_theta.store.inbox import Inbox
from git_theta.store.memory import MemoryStore
from git_theta.testing.blocks import noise_bytes
from git_theta.testing.transfers import CONTENT, DAMAGED, OBJECTS, OID, SIZES
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import Transport
from git_theta.transport.git import git_batches
from git_theta.transport.git.git_transport import GitTransport
from git_theta.vcs.blob_repository import BlobRepository
from git_theta.vcs.discovery import Repository
from git_theta.vcs.remote_settings import RemoteAccess, read_remote_access
from tests.sandbox import Sandbox
from tests.servers.loopback import LoopbackServer

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def git(folder: Path, *args: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", folder, *args], input=stdin, check=True, stdout=subprocess.PIPE).stdout


def put_by_hand(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put objects into a repository as docs/spec/objects.md says, with Git alone."""
    blobs = {
        oid: git(folder, "hash-object", "-w", "--stdin", stdin=text).decode().strip() for oid, text in contents.items()
    }
    tree = git(folder, "mktree", stdin="".join(f"100644 blob {blob}\t{oid}\n" for oid, blob in blobs.items()).encode())
    parent = git(folder, "commit-tree", tree.decode().strip(), "-m", "x").decode().strip()
    listing = "".join(f"{oid} {len(contents[oid])} {blobs[oid]}\n" for oid in sorted(blobs)).encode()
    file = git(folder, "hash-object", "-w", "--stdin", stdin=listing).decode().strip()
    listed = git(folder, "mktree", stdin=f"100644 blob {file}\tobjects\n".encode()).decode().strip()
    commit = git(folder, "commit-tree", listed, "-p", parent, "-m", "x").decode().strip()
    git(folder, "update-ref", f"refs/theta/objects/{hashlib.sha256(listing).hexdigest()}", commit)


def contents_of(folder: Path) -> dict[str, bytes]:
    """What the repository keeps, by object id; what is not what its id says, by the blob's."""
    found = {}
    for ref in git(folder, "for-each-ref", "--format=%(refname)", "refs/theta").decode().split():
        for line in git(folder, "ls-tree", f"{ref}^").decode().splitlines():
            facts, _, oid = line.partition("\t")
            if oid == "padding":
                continue
            content = git(folder, "cat-file", "blob", facts.split()[2])
            found[oid if hashlib.sha256(content).hexdigest() == oid else facts] = content
    return found


class TestByPath(TransportLaws):
    @pytest.fixture(autouse=True)
    def person(self, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
        """The repository that we are in."""
        person = Sandbox.create(tmp_path / "person", install=False)
        monkeypatch.chdir(person.root)
        return person

    @pytest.fixture
    def remote(self, tmp_path: Path) -> Path:
        return Sandbox.create(tmp_path / "remote", install=False, bare=True).root

    def open_transport(self, folder: Path, ours: Store) -> Transport:
        theta = folder.parent / "person/.git/theta"
        return GitTransport(ours, access_to(folder, theta.parent), theta, print)

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        return contents_of(folder)

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        put_by_hand(folder, {oid: content})

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        """A server that keeps no refs but those that it knows."""
        hook = folder / "hooks/post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nwhile read old new ref; do git update-ref -d $ref; done\n")
        hook.chmod(0o755)
        yield
        hook.unlink()


def access_to(remote: Path | str, git_dir: Path) -> RemoteAccess:
    """How to get to a remote from a repository."""
    return read_remote_access(
        "origin", os.fspath(remote), Repository(git_dir, git_dir, git_dir / "hooks", git_dir.parent)
    )


@pytest.fixture
def places(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Sandbox, Sandbox]:
    """A person's repository, which we are in, and a bare one."""
    person = Sandbox.create(tmp_path / "person", install=False)
    monkeypatch.chdir(person.root)
    return person, Sandbox.create(tmp_path / "remote", install=False, bare=True)


def open_between(places: tuple[Sandbox, Sandbox], ours: Store) -> GitTransport:
    git_dir = places[0].root / ".git"
    return GitTransport(ours, access_to(places[1].root, git_dir), git_dir / "theta", print)


def fetch_errors(transport: Transport, oids: Iterable[str], ours: Store) -> dict[str, type]:
    inbox = Inbox(ours, Path(".git/theta").absolute())
    outcomes = transport.fetch({oid: SIZES[oid] for oid in oids}, inbox)
    return {one.oid: type(one.error) for one in outcomes if one.error}


def two_batches(remote: Path) -> None:
    """A remote with two batches: of one half of the objects each."""
    for half in (sorted(OBJECTS)[:4], sorted(OBJECTS)[4:]):
        put_by_hand(remote, {oid: OBJECTS[oid] for oid in half})


@pytest.mark.parametrize(("version", "came"), [(2, 1), (0, 5)], ids=["by id", "by batch"])
def test_only_what_is_asked_for_comes(
    places: tuple[Sandbox, Sandbox], version: int, came: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers for no ids but those of refs gives a batch of four, and its listing."""
    two_batches(places[1].root)
    places[0].git("config", "protocol.version", str(version))  # the person's own settings hold for what we do
    wanted = sorted(OBJECTS)[:1]
    blobs: list[int] = []
    real = BlobRepository.close

    def watch(scratch: BlobRepository) -> None:
        kinds = scratch.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
        blobs.append(kinds.count(b"blob"))
        real(scratch)

    monkeypatch.setattr(BlobRepository, "close", watch)
    ours = MemoryStore()
    with open_between(places, ours) as transport:
        assert fetch_errors(transport, wanted, ours) == {}
    assert sorted(ours.oids()) == wanted
    assert max(blobs[:-1]) == came
    assert blobs[-1] == 2  # the listings


def test_what_is_damaged_in_one_batch_is_taken_from_another(places: tuple[Sandbox, Sandbox]) -> None:
    remote = places[1].root
    rest = sorted(OBJECTS.keys() - {OID})[:3]
    put_by_hand(remote, {OID: DAMAGED["flipped"], **{oid: OBJECTS[oid] for oid in rest}})
    put_by_hand(remote, {OID: DAMAGED["cut"]})
    ours = MemoryStore()
    with open_between(places, ours) as transport:
        assert fetch_errors(transport, [OID], ours) == {OID: CorruptObject}
    put_by_hand(remote, {OID: CONTENT})
    with open_between(places, ours) as transport:
        assert fetch_errors(transport, [OID, *rest], ours) == {}
    assert ours.has(OID)


def test_a_blob_that_the_server_lost_is_missing_and_the_others_come(places: tuple[Sandbox, Sandbox]) -> None:
    remote = places[1].root
    two_batches(remote)
    blob = git(remote, "hash-object", "--stdin", stdin=CONTENT).decode().strip()
    (remote / "objects" / blob[:2] / blob[2:]).unlink()
    ours = MemoryStore()
    with open_between(places, ours) as transport:
        assert fetch_errors(transport, OBJECTS, ours) == {OID: MissingObject}
    assert sorted(ours.oids()) == sorted(OBJECTS.keys() - {OID})


@pytest.mark.parametrize("version", [2, 0], ids=["by id", "by batch"])
def test_a_listing_that_lies_keeps_nobody_from_the_others(places: tuple[Sandbox, Sandbox], version: int) -> None:
    """Whoever may push can list what is no blob, or is in no commit of the batch."""
    person, remote = places[0], places[1].root
    person.git("config", "protocol.version", str(version))
    commit = git(remote, "commit-tree", EMPTY_TREE, "-m", "x", stdin=b"").decode().strip()
    for other in (commit, "0" * 39 + "1"):
        listing = "".join(f"{oid} {SIZES[oid]} {other}\n" for oid in sorted(OBJECTS)).encode()
        file = git(remote, "hash-object", "-w", "--stdin", stdin=listing).decode().strip()
        tree = git(remote, "mktree", stdin=f"100644 blob {file}\tobjects\n".encode()).decode().strip()
        lie = git(remote, "commit-tree", tree, "-p", commit, "-m", "x").decode().strip()
        git(remote, "update-ref", f"refs/theta/objects/{hashlib.sha256(listing).hexdigest()}", lie)
    ours = MemoryStore()
    with open_between(places, ours) as transport:
        assert fetch_errors(transport, OBJECTS, ours) == {oid: MissingObject for oid in OBJECTS if SIZES[oid]}
    two_batches(remote)
    with open_between(places, ours) as transport:
        assert fetch_errors(transport, OBJECTS, ours) == {}
    assert sorted(ours.oids()) == sorted(OBJECTS)


def test_pushers_whose_objects_overlap_are_not_in_each_others_way(places: tuple[Sandbox, Sandbox]) -> None:
    ours = MemoryStore()
    for content in OBJECTS.values():
        ours.put([content])

    def push(first: int) -> list[object]:
        some = sorted(OBJECTS)[first : first + 4]
        with open_between(places, ours) as transport:
            return [one.error for one in transport.push({oid: SIZES[oid] for oid in some})]

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(push, range(5))) == [[None] * 4] * 5
    assert contents_of(places[1].root) == OBJECTS


def test_refs_that_are_none_of_ours_are_passed_over(places: tuple[Sandbox, Sandbox]) -> None:
    remote = places[1].root
    put_by_hand(remote, {OID: CONTENT})
    (name,) = git(remote, "for-each-ref", "--format=%(refname)").decode().split()
    empty = git(remote, "commit-tree", EMPTY_TREE, "-m", "x", stdin=b"").decode().strip()
    git(remote, "update-ref", "refs/theta/objects/aside", empty)
    git(remote, "update-ref", f"refs/theta/objects/{'0' * 64}", name)  # a listing that was altered has another name
    git(remote, "update-ref", f"refs/theta/objects/{'1' * 64}", f"{name}^")
    tree = git(remote, "rev-parse", f"{name}^{{tree}}").decode().strip()
    folder = git(remote, "mktree", stdin=f"040000 tree {tree}\tobjects\n".encode()).decode().strip()
    odd = git(remote, "commit-tree", folder, "-m", "x").decode().strip()
    git(remote, "update-ref", f"refs/theta/objects/{'00' * 32}", odd)
    with open_between(places, MemoryStore()) as transport:
        assert transport.lacking(SIZES) == [oid for oid in SIZES if oid != OID]
    git(remote, "update-ref", "-d", name)
    with open_between(places, MemoryStore()) as transport:
        assert transport.lacking({OID: SIZES[OID]}) == [OID]


def test_settings_of_the_person_hold_and_none_is_in_the_way(places: tuple[Sandbox, Sandbox], tmp_path: Path) -> None:
    """The URL is rewritten once; mirrors, tags, hooks and commands of the person's own repository stay out of it."""
    person, remote = places
    person.write("file", b"x")
    person.commit()
    person.git("tag", "-m", "x", "tag")
    hook = tmp_path / "hooks/pre-push"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    settings = {
        "core.hooksPath": os.fspath(hook.parent), "push.followTags": "true", "fetch.prune": "true",
        "push.pushOption": "merge_request.create",
        "remote.origin.url": os.fspath(tmp_path / "elsewhere"), "remote.origin.mirror": "true",
        "remote.origin.fetch": "+refs/*:refs/*", "remote.origin.promisor": "true", "fetch.writeCommitGraph": "true",
        f"url.{tmp_path}/nowhere/.insteadOf": f"{tmp_path}/",
    }  # fmt: skip
    for key, value in settings.items():
        person.git("config", key, value)
    before = person.git("for-each-ref").stdout
    ours = MemoryStore()
    ours.put([CONTENT])
    with open_between(places, ours) as transport:
        assert [one.error for one in transport.push({OID: len(CONTENT)})] == [None]
        assert transport.lacking({OID: len(CONTENT)}) == []
    assert person.git("for-each-ref").stdout == before
    assert "tags" not in remote.git("for-each-ref").stdout


def test_passwords_are_not_told(places: tuple[Sandbox, Sandbox]) -> None:
    git_dir = places[0].root / ".git"
    access = access_to("http://me:secret-word@127.0.0.1:1/R.git", git_dir)
    with (
        GitTransport(MemoryStore(), access, git_dir / "theta", print) as transport,
        pytest.raises(TransportError) as caught,
    ):
        transport.lacking(SIZES)
    assert "127.0.0.1" in str(caught.value) and "secret" not in f"{caught.value}{caught.value.hint}"
    assert list((git_dir / "theta/tmp").iterdir()) == []


@pytest.mark.parametrize("size", [0, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_objects_that_git_streams_are_whole(places: tuple[Sandbox, Sandbox], size: int) -> None:
    """It takes those above 1 MiB another way than those below."""
    content = noise_bytes(size, 1)
    ours, theirs = MemoryStore(), MemoryStore()
    oid, _ = ours.put([content])
    with open_between(places, ours) as transport:
        assert [one.error for one in transport.push({oid: size})] == [None]
    with open_between(places, theirs) as transport:
        inbox = Inbox(theirs, places[0].root / ".git/theta")
        assert [one.error for one in transport.fetch({oid: size}, inbox)] == [None]
    assert theirs.size(oid) == size


def test_batches_are_closed_by_size(places: tuple[Sandbox, Sandbox], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_batches, "_BATCH_BYTES", 200_000)
    ours, theirs = MemoryStore(), MemoryStore()
    for content in OBJECTS.values():
        ours.put([content])
    with open_between(places, ours) as transport:
        assert [one.error for one in transport.push(SIZES)] == [None] * len(SIZES)
    assert len(places[1].git("for-each-ref").stdout.splitlines()) == 3
    with open_between(places, theirs) as transport:
        assert fetch_errors(transport, OBJECTS, theirs) == {}
    assert contents_of(places[1].root) == OBJECTS


def test_a_server_keeps_the_pack_that_it_gets(places: tuple[Sandbox, Sandbox]) -> None:
    """It would compress each object anew, and once more for everybody who fetches: four times as slow."""
    ours = MemoryStore()
    ours.put([CONTENT])
    with open_between(places, ours) as transport:
        assert [one.error for one in transport.push({OID: len(CONTENT)})] == [None]
    assert b"count: 0\n" in git(places[1].root, "count-objects", "-v")


@pytest.mark.parametrize("ask", [True, False])
def test_strangers_do_not_get_a_word_from_the_person(
    places: tuple[Sandbox, Sandbox], ask: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that wants a password: git asks a program, or a terminal, only where it may."""
    git_dir = places[0].root / ".git"
    asked = tmp_path / "asked"
    program = tmp_path / "ask"
    program.write_text(f'#!/bin/sh\necho "$1" >> {asked}\n')
    program.chmod(0o755)
    places[0].git("config", "core.askPass", os.fspath(program))
    repository = Repository(git_dir, git_dir, git_dir / "hooks", git_dir.parent)
    with asking_server() as url:
        access = read_remote_access("origin", url, repository, ask=ask)
        with GitTransport(MemoryStore(), access, git_dir / "theta", print) as transport, pytest.raises(TransportError):
            transport.lacking(SIZES)
    assert asked.exists() == ask


@contextmanager
def asking_server() -> Iterator[str]:
    """The URL of a server that answers everybody 401."""

    class Ask(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with LoopbackServer(Ask) as server:
        yield f"{server.url}/R.git"


def test_a_blob_that_is_another_is_put_anew(places: tuple[Sandbox, Sandbox]) -> None:
    """What is whole, or not here, is left alone, and so is what else is in its batch."""
    remote, ours = places[1].root, MemoryStore()
    wrong = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    rest = sorted(OBJECTS.keys() - {OID})
    put_by_hand(remote, {OID: wrong, **{oid: OBJECTS[oid] for oid in rest}})
    with open_between(places, ours) as transport:
        assert not transport.clear_damaged(OID)
        for content in (CONTENT, OBJECTS[rest[1]]):
            ours.put([content])
        assert transport.clear_damaged(OID)
        assert not transport.clear_damaged(OID)
        assert not transport.clear_damaged(rest[1])
        assert transport.lacking(SIZES) == [OID]
        assert [one.error for one in transport.push({OID: SIZES[OID]})] == [None]
    assert contents_of(remote) == OBJECTS
    fresh = MemoryStore()
    with open_between(places, fresh) as transport:
        assert fetch_errors(transport, OBJECTS, fresh) == {}
    assert sorted(fresh.oids()) == sorted(OBJECTS)
