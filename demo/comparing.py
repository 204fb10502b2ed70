"""What changed inside the model: in words, and in pages and pictures to be opened."""

from __future__ import annotations

import os
from pathlib import Path

from demo.play import MODEL, Playground, format_size


def show_changes(play: Playground) -> None:
    """What the last commit did, in numbers; which commits changed a module, and which changed others like it last."""
    play.run("git", "diff", "HEAD~1", most=10)
    play.run("git", "theta", "diff", "HEAD~1", "HEAD", "--html", "../diff.html", "--png", "../diff.png")
    list_written(play, "diff.html", "diff.png")
    play.run("git", "theta", "log", "-n", "1", "-p", "encoder.layer.5.output.*")
    play.run("git", "theta", "blame", MODEL, "-p", "encoder.layer.[45].output.dense.weight")


def show_map(play: Playground, *branches: str) -> None:
    """Where branches lie to each other in weight space."""
    play.run("git", "theta", "map", *branches, "--", MODEL, most=22)
    play.run("git", "theta", "map", *branches, "--html", "../map.html", "--png", "../map.png", "--", MODEL)
    list_written(play, "map.html", "map.png")


def list_written(play: Playground, *names: str) -> None:
    """Name the files beside the repository that a command wrote."""
    for file in (Path(os.path.relpath(play.root.parent / name)) for name in names):
        print(f"  -> {file}, {format_size(file.stat().st_size)}")
