"""Versions of one model: committed, checked out, shared; and every byte proved."""

from __future__ import annotations

from demo import sentence_model
from demo.encoder import Tokenizer
from demo.play import MODEL, Playground, check, mb, sha
from demo.texts import Task
from demo.training import tune

Versions = dict[str, str]
"""SHA-256 of the file that was added, by commit, the oldest first."""


def publish(play: Playground, tasks: tuple[Task, Task]) -> tuple[Versions, Tokenizer]:
    """A repository, and a model in it."""
    play.run("git", "init", "--quiet")
    play.run("git", "theta", "install")
    play.run("git", "theta", "track", "*.safetensors")
    where, tokenizer = sentence_model.place(play.file, (text for task in tasks for text in task.texts()))
    print(f"  {where}: {mb(play.file.stat().st_size)}, {len(sentence_model.names(play.file))} tensors\n")
    return {play.commit("The model as published"): sha(play.file)}, tokenizer


def change(play: Playground, versions: Versions, task: Task, tokenizer: Tokenizer) -> None:
    """Train the last layer, and commit."""
    changed = tune(play.file, task, tokenizer, "encoder.layer.5.")
    print(f"  {changed} tensors of {len(sentence_model.names(play.file))} changed")
    versions[play.commit("Fine-tune the last layer")] = sha(play.file)


def nudge(play: Playground, versions: Versions) -> None:
    """Change one value by one unit in its last place, and commit."""
    sentence_model.nudge(play.file, sentence_model.names(play.file)[-1])
    versions[play.commit("One ulp")] = sha(play.file)
    play.run("git", "diff", "--stat", "HEAD~2", "HEAD")


def prove(play: Playground, versions: Versions) -> None:
    """Check versions out in an order that goes back and forth, and compare each file's SHA-256 with what was added."""
    first, second, third = versions
    for commit in (first, third, second, first):
        play.run("git", "checkout", "--quiet", commit[:12])
        check(play.file, versions[commit])
    play.run("git", "checkout", "--quiet", "main")
    check(play.file, versions[third])
    play.run("git", "status", "--short", "--branch")


def share(play: Playground, versions: Versions) -> None:
    """Push to a bare repository, clone it, compare."""
    play.run("git", "init", "--quiet", "--bare", "../shared.git")
    play.run("git", "remote", "add", "origin", "../shared.git")
    play.run("git", "push", "--quiet", "-u", "origin", "main")
    play.run("git", "clone", "--quiet", "../shared.git", "../clone")
    check(play.root.parent / "clone" / MODEL, list(versions.values())[-1])
