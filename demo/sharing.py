"""Two people, one model: pushed through a Git LFS server, cloned, merged there, pushed back; and every byte proved."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from demo.encoder import Tokenizer
from demo.lfs_host import LfsHost
from demo.merging import STRATEGIES, fine_tune_branch, merge_branches
from demo.play import GREEN, PLAIN, Playground, format_size, require_hash, sha256_of
from demo.texts import Task

MERGES = tuple(f"with-{strategy}" for strategy in STRATEGIES)


class Host:
    """Where the two meet: a bare repository, and a Git LFS server beside it. Without git-lfs, the repository alone."""

    def __init__(self, lfs: LfsHost | None) -> None:
        self._lfs = lfs

    @property
    def settings(self) -> list[str]:
        """Options of ``git clone`` that tell a clone of the server."""
        return ["--config", f"lfs.url={self._lfs.url}"] if self._lfs else []

    def configure(self, play: Playground) -> None:
        """Tell a repository where its objects go."""
        if self._lfs:
            play.run("git", "config", "lfs.url", self._lfs.url)
        else:
            print("  git-lfs is not installed: the folder takes the objects, too")

    def print_traffic(self, what: str) -> None:
        """Say what went through the server since the last time."""
        if self._lfs:
            up, down, requests = self._lfs.take_traffic()
            moved = ", ".join(f"{format_size(size)} {way}" for size, way in ((up, "up"), (down, "down")) if size)
            print(f"  -> {GREEN}{what}: {moved}, in {requests} requests{PLAIN}\n")

    def print_epilogue(self, python: str) -> None:
        """Say how the server is had again."""
        if self._lfs:
            print("Pushes need the LFS server, which ends with this tour. To have it again, in another terminal:")
            print(f"  {python} -m demo.lfs_host demo/playground/lfs {self._lfs.port}")


@contextmanager
def open_host(play: Playground) -> Iterator[Host]:
    """A host beside the playground."""
    if subprocess.run(["git", "lfs", "version"], capture_output=True, env=play.env).returncode:
        yield Host(None)
        return
    with LfsHost(play.root.parent / "lfs") as lfs:
        yield Host(lfs)


def publish_repository(play: Playground, host: Host) -> None:
    """Push to the host."""
    play.run("git", "init", "--quiet", "--bare", "../shared.git")
    play.run("git", "remote", "add", "origin", "../shared.git")
    host.configure(play)
    play.run("git", "push", "--quiet", "-u", "origin", "main")
    size = format_size(play.file.stat().st_size)
    host.print_traffic(f"every version of a file of {size}")


def clone_repository(play: Playground, host: Host) -> Playground:
    """Clone as a second person, who gets the bytes that the first one has."""
    play.run("git", "clone", "--quiet", *host.settings, "../shared.git", "../clone")
    second = Playground(play.root.parent / "clone")
    require_hash(second.file, sha256_of(play.file))
    host.print_traffic("what HEAD needs")
    second.run("git", "config", "user.name", "Somebody else")
    return second


def push_fine_tune(play: Playground, host: Host, task: Task, tokenizer: Tokenizer) -> None:
    """The first person fine-tunes the encoder on a branch, and pushes that."""
    fine_tune_branch(play, task, tokenizer, "encoder.")
    play.run("git", "push", "--quiet", "-u", "origin", task.name)
    host.print_traffic("the encoder alone")


def merge_as_second(second: Playground, host: Host, ours: Task, theirs: Task, tokenizer: Tokenizer) -> None:
    """The second person fine-tunes everything, merges it with the branch of the first, and pushes all of it back."""
    fine_tune_branch(second, theirs, tokenizer, "")
    second.run("git", "fetch", "--quiet")
    merge_branches(second, ours.name, theirs.name)
    host.print_traffic("the branch of the first")
    second.run("git", "push", "--quiet", "-u", "origin", theirs.name, *MERGES)
    host.print_traffic("a fine-tune and two merges")


def fetch_merges(play: Playground, second: Playground, host: Host, theirs: Task) -> None:
    """The first person has what the second one made, bit for bit."""
    branches = (theirs.name, *MERGES)
    play.run("git", "fetch", "--quiet", "origin", *(f"{name}:{name}" for name in branches))
    for name in branches:
        for person in (play, second):
            person.run("git", "switch", "--quiet", name, show=person is play)
        require_hash(play.file, sha256_of(second.file))
    host.print_traffic("three checkpoints")
