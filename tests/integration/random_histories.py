"""Histories drawn at random, with checkpoints as files and git-lfs pointers; and what each version of a file is."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from git_theta.vcs.pointer_tree import format_pointer, parse_pointer
from tests.sandbox import Sandbox, changed, model

FORMATS = (".safetensors", ".bin")
NAMES = ("model", "a b", 'quo"ted', "new\nline", "ümläut", "deep/er/model", "tab\t", "back\\slash", "-dash")
LFS_LINE = b"*%b filter=lfs diff=lfs merge=lfs -text\n"
_PEOPLE = ("A. U. Thor <author@example.com>", "Jos\udce9 <jose@example.com>", " <>")


@dataclass
class History:
    """A history that is being made: commit by commit, in one `git fast-import`.

    Attributes:
        trees: what each commit has, by its mark: path to (mode, mark or id).
        lfs: whether checkpoints may be pointers.
    """

    sandbox: Sandbox
    draw: random.Random
    lfs: bool
    commands: list[bytes] = field(default_factory=list)
    trees: list[dict[str, tuple[str, str]]] = field(default_factory=list)
    marks: int = 0

    def add_blob(self, content: bytes) -> str:
        self.marks += 1
        self.commands.append(b"blob\nmark :%d\ndata %d\n%b\n" % (self.marks, len(content), content))
        return f":{self.marks}"

    def add_commit(self, parents: list[str], tree: Mapping[str, tuple[str, str]]) -> str:
        self.marks += 1
        person = self.draw.choice(_PEOPLE).encode(errors="surrogateescape")
        odd = self.draw.random() < 0.2
        message = self.draw.choice([b"caf\xe9", b"", b"no newline", b"subject\n\nbody of 0123456789abcdef\n"])
        lines = [
            b"reset refs/heads/scratch\n\n" if not parents else b"",
            b"commit refs/heads/scratch\nmark :%d\n" % self.marks,
            b"author %b %d +0530\ncommitter C <c@d> %d -0700\n" % (person, 1_500_000_000 + self.marks, 1_600_000_000),
            b"encoding ISO-8859-1\n" if odd else b"",
            b"data %d\n%b\n" % (len(message), message),
            *(b"%b %b\n" % (b"merge" if at else b"from", one.encode()) for at, one in enumerate(parents)),
            b"deleteall\n",
            *(b"M %b %b %b\n" % (mode.encode(), oid.encode(), _quote(path)) for path, (mode, oid) in tree.items()),
        ]
        self.commands.append(b"".join(lines) + b"\n")
        return f":{self.marks}"

    def checkpoint(self, before: bytes | None = None) -> bytes:
        """A small one, or the next version of another."""
        if before and self.draw.random() < 0.7:
            return changed(before, "w", at=4 * self.draw.randrange(500))
        return model(self.draw.randrange(1000), w=(25, 20), b=7)

    def store(self, content: bytes) -> str:
        """A file as Git holds it: itself, or a pointer."""
        if self.lfs and self.draw.random() < 0.6:
            oid = hashlib.sha256(content).hexdigest()
            place = self.sandbox.root / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            return self.add_blob(format_pointer(oid, len(content)))
        return self.add_blob(content)


def build_history(sandbox: Sandbox, seed: int, *, commits: int = 25, lfs: bool = False) -> None:
    """Branches, tags and merges at random, of checkpoints that come, change, move and go, and of other files."""
    history = History(sandbox, random.Random(seed), lfs)
    draw = history.draw
    contents: dict[str, bytes] = {}
    text = history.add_blob(b"just text\n")
    tips: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {}
    readme = {"README.md": ("100644", text), "link": ("120000", history.add_blob(b"README.md"))}
    submodule = ("160000", "0123456789012345678901234567890123456789")
    branches = ["main", "side", "only/one"]
    for number in range(commits):
        branch = "main" if not number else draw.choice(branches)
        first = tips.get(branch) or tips.get("main")
        tree = dict(first[1]) if first else dict(readme)
        parents = [first[0]] if first else []
        if number and draw.random() < 0.05:
            parents, tree = [], dict(readme)  # another root
        other = tips.get(draw.choice(branches))
        if parents and other and other[0] not in parents and draw.random() < 0.3:
            parents.append(other[0])
            tree = {**other[1], **tree} if draw.random() < 0.5 else {**tree, **other[1]}
        for _ in range(draw.randrange(3)):
            _edit(history, tree, contents)
        if draw.random() < 0.1:
            tree["sub"] = submodule
        if lfs and number >= 2 and ".gitattributes" not in tree:
            lines = b"".join(LFS_LINE % suffix.encode() for suffix in FORMATS)
            tree[".gitattributes"] = ("100644", history.add_blob(b"*.txt text\n" + lines))
        tree = {path: held for path, held in tree.items() if not any(one.startswith(f"{path}/") for one in tree)}
        tips[branch] = (history.add_commit(parents, tree), tree)
        history.commands.append(b"reset refs/heads/%b\nfrom %b\n\n" % (branch.encode(), tips[branch][0].encode()))
        if draw.random() < 0.2:
            history.commands.append(b"reset refs/tags/light%d\nfrom %b\n\n" % (number, tips[branch][0].encode()))
        if draw.random() < 0.2:
            history.commands.append(_tag(number, tips[branch][0]))
    _import(sandbox, b"".join(history.commands))


def _edit(history: History, tree: dict[str, tuple[str, str]], contents: dict[str, bytes]) -> None:
    """One thing that somebody does to a checkpoint, or to another file."""
    draw = history.draw
    there = [path for path in tree if path.endswith(FORMATS)]
    what = draw.random()
    if there and what < 0.15:
        del tree[draw.choice(there)]
    elif there and what < 0.3:
        old = draw.choice(there)
        tree[f"moved/{draw.randrange(9)}{old[old.rindex('.') :]}"] = tree.pop(old)
    elif there and what < 0.4:
        path = draw.choice(there)
        tree[path] = ("100755", tree[path][1])
    elif what < 0.5:
        tree[f"notes-{draw.randrange(3)}.txt"] = ("100644", history.add_blob(b"%d\n" % draw.randrange(9)))
    elif what < 0.55:
        tree["empty.bin"] = ("100644", history.add_blob(b""))
    else:
        path = draw.choice(there) if there and what < 0.8 else draw.choice(NAMES) + draw.choice(FORMATS)
        contents[path] = history.checkpoint(contents.get(path))
        tree[path] = ("100644", history.store(contents[path]))


def _tag(number: int, commit: str) -> bytes:
    message = b"a release\n"
    return b"tag v%d\nfrom %b\ntagger T <t@u> 1500000000 +0000\ndata %d\n%b\n" % (
        number, commit.encode(), len(message), message,
    )  # fmt: skip


def _quote(path: str) -> bytes:
    return b'"%b"' % b"".join(b"\\%03o" % byte for byte in path.encode())


def _import(sandbox: Sandbox, stream: bytes) -> None:
    command = ["git", "fast-import", "--quiet", "--force"]
    subprocess.run(command, cwd=sandbox.root, input=stream, check=True, capture_output=True)
    sandbox.git("update-ref", "-d", "refs/heads/scratch")
    sandbox.git("-c", "core.protectNTFS=false", "reset", "--quiet", "--hard", "main")


class Blobs:
    """What blobs hold, and what they stand for."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._known: dict[str, bytes] = {}

    def read(self, oid: str) -> bytes:
        """The blob itself."""
        if oid not in self._known:
            command = ["git", "cat-file", "blob", oid]
            self._known[oid] = subprocess.run(command, cwd=self._sandbox.root, check=True, capture_output=True).stdout
        return self._known[oid]

    def resolve(self, oid: str) -> str:
        """SHA-256 of the file that a blob is, or points at by git-lfs."""
        pointer = parse_pointer(self.read(oid))
        return pointer[0] if pointer else hashlib.sha256(self.read(oid)).hexdigest()


def list_trees(sandbox: Sandbox, revisions: str = "--all") -> dict[str, dict[str, tuple[str, str]]]:
    """Commit to what it has: path to (mode, id). Of refs that a person sees."""
    hidden = ["--exclude=refs/theta/*"] if revisions == "--all" else []
    commits = sandbox.git("rev-list", *hidden, revisions).stdout.split()
    return {commit: dict(_list_tree(sandbox, commit)) for commit in commits}


def _list_tree(sandbox: Sandbox, commit: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for item in sandbox.git("ls-tree", "-r", "-z", commit).stdout.split("\0")[:-1]:
        facts, _, path = item.partition("\t")
        mode, _, oid = facts.split()
        yield path, (mode, oid)


def read_refs(sandbox: Sandbox) -> dict[str, str]:
    """Branches and tags, and what they point at."""
    lines = sandbox.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags").stdout
    return dict(line.split(" ") for line in lines.splitlines())
