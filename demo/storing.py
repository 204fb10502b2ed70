"""Versions of one model: committed, checked out; and every byte proved."""

from __future__ import annotations

from demo import sentence_model
from demo.encoder import Tokenizer
from demo.play import Playground, format_size, require_hash, sha256_of
from demo.texts import Task
from demo.training import fine_tune

Versions = dict[str, str]
"""SHA-256 of the file that was added, by commit, the oldest first."""


def publish_model(play: Playground, tasks: tuple[Task, Task]) -> tuple[Versions, Tokenizer]:
    """A repository, and a model in it."""
    play.run("git", "init", "--quiet")
    play.run("git", "theta", "install")
    play.run("git", "theta", "track", "*.safetensors")
    where, tokenizer = sentence_model.place_model(play.file, (text for task in tasks for text in task.texts()))
    print(
        f"  {where}: {format_size(play.file.stat().st_size)}, {len(sentence_model.tensor_names(play.file))} tensors\n"
    )
    return {play.commit("The model as published"): sha256_of(play.file)}, tokenizer


def commit_fine_tune(play: Playground, versions: Versions, task: Task, tokenizer: Tokenizer) -> None:
    """Train the last layer, and commit."""
    changed = fine_tune(play.file, task, tokenizer, "encoder.layer.5.")
    print(f"  {changed} tensors of {len(sentence_model.tensor_names(play.file))} changed")
    versions[play.commit("Fine-tune the last layer")] = sha256_of(play.file)


def commit_nudge(play: Playground, versions: Versions) -> None:
    """Change one value by one unit in its last place, and commit."""
    sentence_model.nudge_value(play.file, sentence_model.tensor_names(play.file)[-1])
    versions[play.commit("One ulp")] = sha256_of(play.file)
    play.run("git", "diff", "--stat", "HEAD~2", "HEAD")


def prove_versions(play: Playground, versions: Versions) -> None:
    """Check versions out in an order that goes back and forth, and compare each file's SHA-256 with what was added."""
    first, second, third = versions
    for commit in (first, third, second, first):
        play.run("git", "checkout", "--quiet", commit[:12])
        require_hash(play.file, versions[commit])
    play.run("git", "checkout", "--quiet", "main")
    require_hash(play.file, versions[third])
    play.run("git", "status", "--short", "--branch")
