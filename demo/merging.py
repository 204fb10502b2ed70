"""Two fine-tunes become one, twice; and every tensor of the outcome is computed again, without Git."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import git_theta
from demo.encoder import StateDict, Tokenizer
from demo.play import DIM, GREEN, PLAIN, RED, Playground, print_excerpt
from demo.texts import Task
from demo.training import STEPS, evaluate_task, fine_tune, read_checkpoint

STRATEGIES: dict[str, dict[str, Any]] = {"ties": {"density": 0.2}, "average": {}}


def fine_tune_branch(play: Playground, task: Task, tokenizer: Tokenizer, only: str) -> None:
    """A branch of main on which the model is fine-tuned for one task."""
    play.run("git", "switch", "--quiet", "-c", task.name, "main")
    changed = fine_tune(play.file, task, tokenizer, only)
    print(f"  {STEPS} steps on {task.about}, parameters {only}*: {changed} tensors changed")
    play.commit(f"Fine-tune on {task.about}")


def merge_branches(play: Playground, ours: str, theirs: str) -> None:
    """Merge two branches with each of the strategies, from the same commit; show the plan, reports and trailers."""
    play.run("git", "switch", "--quiet", ours)
    play.run("git", "theta", "merge", "--plan", theirs, "-s", "ties", "-o", "density=0.2", most=12)
    for strategy, options in STRATEGIES.items():
        play.run("git", "switch", "--quiet", "-c", f"with-{strategy}", ours)
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        play.run("git", "theta", "merge", theirs, "-s", strategy, *given, "--report", f"../{strategy}.md")
        print(f"{DIM}  {strategy}.md:{PLAIN}")
        print_excerpt((play.root.parent / f"{strategy}.md").read_text(), 14)
        if "Theta-Merge: " not in play.run("git", "log", "-1", "--format=%s%n%(trailers:key=Theta-Merge)"):
            sys.exit(f"{RED}The commit does not say how it merged{PLAIN}")


def prove_merges(play: Playground, ours: str, theirs: str) -> dict[str, StateDict]:
    """Stop the demo if a merged file is not, tensor by tensor and bit for bit, what the library makes of both heads.

    Returns the checkpoints, by branch.
    """
    base = load_revision(play, play.run("git", "merge-base", ours, theirs).strip())
    heads = {ours: load_revision(play, ours), theirs: load_revision(play, theirs)}
    merges = {f"with-{strategy}": load_revision(play, f"with-{strategy}") for strategy in STRATEGIES}
    for strategy, options in STRATEGIES.items():
        expected = git_theta.merge_state_dicts(strategy, list(heads.values()), base, **options)
        require_same_tensors(merges[f"with-{strategy}"], expected, strategy)
    return {"main": base} | heads | merges


def load_revision(play: Playground, revision: str) -> StateDict:
    """The checkpoint of a revision, which is checked out for it."""
    play.run("git", "checkout", "--quiet", "--detach", revision, show=False)
    return read_checkpoint(play.file)


def require_same_tensors(merged: StateDict, expected: StateDict, strategy: str) -> None:
    """Stop the demo if two checkpoints are not the same tensors, bit for bit."""
    differ = [name for name in sorted({*merged, *expected}) if _bits(merged, name) != _bits(expected, name)]
    if differ:
        sys.exit(f"{RED}{strategy}: not as the library has them: {', '.join(differ)}{PLAIN}")
    print(f"  {GREEN}{strategy}: {len(merged)} tensors, each bit for bit as git_theta.merge_state_dicts has it{PLAIN}")


def _bits(state: StateDict, name: str) -> bytes | None:
    return state[name].numpy().tobytes() if name in state else None


def show_scores(states: Mapping[str, StateDict], tasks: Iterable[Task], tokenizer: Tokenizer) -> None:
    """What each checkpoint can do: a row each, a column per task."""
    tasks = list(tasks)
    print(f"  {'':14}" + "".join(f"{task.name:>22}" for task in tasks))
    for name, state in states.items():
        scores = [evaluate_task(state, task, tokenizer) for task in tasks]
        cells = [f"{score.loss:.3f} ({score.found} of {score.of})" for score in scores]
        print(f"  {name:14}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"{DIM}  loss on pairs held out, the lower the better (how many texts find their own partner first){PLAIN}")
