"""Track, commit, change, commit, go back and forth, push, clone; and prove every byte."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from demo import model

HERE = Path(__file__).parent / "playground"
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

    def run(self, *words: str, show: bool = True) -> str:
        """Run a command in the repository; its output, which is shown, with the time it took."""
        if show:
            print(f"{BOLD}$ {shlex.join(words)}{PLAIN}", flush=True)
        start = time.perf_counter()
        done = subprocess.run(words, cwd=self.root, env=self.env, text=True, capture_output=True)
        took = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{RED}{' '.join(words)} failed:{PLAIN}\n{done.stdout}{done.stderr}")
        if show:
            print("".join(f"  {line}\n" for line in (done.stdout + done.stderr).splitlines()), end="")
            print(f"{DIM}  {took:.2f} s{PLAIN}")
        return done.stdout

    def commit(self, message: str) -> str:
        """Add and commit everything; tells what the store grew by. Returns the commit's id."""
        before = self.stored()
        self.run("git", "add", ".")
        self.run("git", "commit", "--quiet", "-m", message)
        grown = self.stored() - before
        size = self.file.stat().st_size
        print(f"  -> {GREEN}{mb(grown)} stored{PLAIN} for a file of {mb(size)}\n")
        return self.run("git", "rev-parse", "HEAD", show=False).strip()

    def stored(self) -> int:
        """Bytes of our objects."""
        objects = (self.root / ".git" / "theta" / "objects").rglob("*")
        return sum(file.stat().st_size for file in objects if file.is_file())


def main() -> None:
    """The tour."""
    if HERE.exists():  # somebody may have gone on playing in it
        kept = HERE.with_name(f"playground-{int(HERE.stat().st_mtime)}")
        HERE.rename(kept)
        print(f"The playground of last time is {os.path.relpath(kept)} now; `make clean` removes all of them.")
    (HERE / "model").mkdir(parents=True)
    (HERE / "gitconfig").write_text("[user]\n\tname = You\n\temail = you@example.org\n[init]\n\tdefaultBranch = main\n")
    play = Playground(HERE / "model")
    say("1. A repository, and a model in it")
    play.run("git", "init", "--quiet")
    play.run("git", "theta", "install")
    play.run("git", "theta", "track", "*.safetensors")
    print(f"  {model.place(play.file)}: {mb(play.file.stat().st_size)}, {len(model.names(play.file))} tensors\n")
    versions = {play.commit("The model as published"): sha(play.file)}

    say("2. A fine-tune of its last layer")
    changed = model.fine_tune(play.file, "layer.5.", 1e-3, seed=1)
    print(f"  {changed} tensors of {len(model.names(play.file))} changed")
    versions[play.commit("Fine-tune the last layer")] = sha(play.file)

    say("3. The smallest change there is: one value, by one unit in its last place")
    model.nudge(play.file, model.names(play.file)[-1])
    versions[play.commit("One ulp")] = sha(play.file)
    play.run("git", "diff", "--stat", "HEAD~2", "HEAD")

    say("4. Back and forth between the versions, every byte proved")
    prove(play, versions)
    play.run("git", "status", "--short", "--branch")

    say("5. Shared: push to a folder, clone from it")
    share(play, versions)

    say("6. What is there")
    play.run("git", "theta", "ls-files")
    play.run("git", "theta", "fsck")
    size, programs = play.file.stat().st_size, Path(sys.executable).parent
    plain = f"{mb(size * len(versions))} as plain files"
    print(f"\n{len(versions)} versions of {mb(size)}: {mb(play.stored())} stored, {plain}.")
    print(f"Go on playing in {BOLD}{os.path.relpath(play.root)}{PLAIN}, after:")
    print(f"  export PATH={programs}:$PATH GIT_CONFIG_GLOBAL={HERE / 'gitconfig'}")


def prove(play: Playground, versions: dict[str, str]) -> None:
    """Check versions out in an order that goes back and forth, and compare each file's SHA-256 with what was added."""
    first, second, third = versions
    for commit in (first, third, second, first):
        play.run("git", "checkout", "--quiet", commit[:12])
        check(play.file, versions[commit])
    play.run("git", "checkout", "--quiet", "main")
    check(play.file, versions[third])


def share(play: Playground, versions: dict[str, str]) -> None:
    """Push to a bare repository, clone it, compare."""
    play.run("git", "init", "--quiet", "--bare", "../shared.git")
    play.run("git", "remote", "add", "origin", "../shared.git")
    play.run("git", "push", "--quiet", "-u", "origin", "main")
    play.run("git", "clone", "--quiet", "../shared.git", "../clone")
    check(HERE / "clone" / MODEL, list(versions.values())[-1])


def check(file: Path, expected: str) -> None:
    """Stop the demo if the file is not, bit for bit, what was added."""
    found = sha(file)
    if found != expected:
        sys.exit(f"{RED}{file}: SHA-256 {found}, added as {expected}{PLAIN}")
    print(f"  {GREEN}SHA-256 {found[:16]}... as added{PLAIN}")


def sha(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def mb(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def say(title: str) -> None:
    """A heading."""
    print(f"\n{BOLD}{title}{PLAIN}", flush=True)


if __name__ == "__main__":
    main()
