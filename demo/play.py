"""A repository to play in, and what the steps of the tour share."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

MODEL = "model.safetensors"
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else [""] * 5
)


class Playground:
    """A repository to play in; prints what it runs, as a person would type it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / MODEL
        # The demo's own git: whatever filters, hooks and signing keys the user has, it shows the same thing.
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": str(root.parent / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(self, *words: str, show: bool = True, most: int = 40) -> str:
        """Run a command in the repository; its output, of which ``most`` lines are shown, with the time it took."""
        if show:
            print(f"{BOLD}$ {shlex.join(words)}{PLAIN}", flush=True)
        start = time.perf_counter()
        done = subprocess.run(words, cwd=self.root, env=self.env, text=True, capture_output=True)
        took = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{RED}{' '.join(words)} failed:{PLAIN}\n{done.stdout}{done.stderr}")
        if show:
            print_excerpt(done.stdout + done.stderr, most)
            print(f"{DIM}  {took:.2f} s{PLAIN}")
        return done.stdout

    def commit(self, message: str) -> str:
        """Add and commit everything; tells what the store grew by. Returns the commit's id."""
        before = self.stored_bytes()
        self.run("git", "add", ".")
        self.run("git", "commit", "--quiet", "-m", message)
        grown = self.stored_bytes() - before
        size = self.file.stat().st_size
        print(f"  -> {GREEN}{format_size(grown)} stored{PLAIN} for a file of {format_size(size)}\n")
        return self.head()

    def head(self) -> str:
        """The id of the commit that is checked out."""
        return self.run("git", "rev-parse", "HEAD", show=False).strip()

    def stored_bytes(self) -> int:
        """Bytes of our objects."""
        objects = (self.root / ".git" / "theta" / "objects").rglob("*")
        return sum(file.stat().st_size for file in objects if file.is_file())


def print_excerpt(text: str, most: int) -> None:
    """Show the first lines of a text, and how many more there are."""
    lines = text.rstrip("\n").splitlines()
    print("".join(f"  {line}\n" for line in lines[:most]), end="")
    if len(lines) > most:
        print(f"{DIM}  ... and {len(lines) - most} more lines{PLAIN}")


def require_hash(file: Path, expected: str) -> None:
    """Stop the demo if the file is not, bit for bit, what was added."""
    found = sha256_of(file)
    if found != expected:
        sys.exit(f"{RED}{file}: SHA-256 {found}, added as {expected}{PLAIN}")
    print(f"  {GREEN}SHA-256 {found[:16]}... as added{PLAIN}")


def sha256_of(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def format_size(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def print_heading(title: str) -> None:
    """A heading."""
    print(f"\n{BOLD}{title}{PLAIN}", flush=True)
