"""The repository in which how to evaluate is typed: a model that knows two languages, and heads that know one."""

from __future__ import annotations

import shlex
import sys

from tests.cli.test_merge_gates import FILE, SCRIPT, checkpoint
from tests.docs.typed_pages import file_of
from tests.sandbox import Sandbox

HEADS = {"arabic": (1.0, 0.0), "german": (0.0, 1.0), "tune": (0.0, 1.0)}


def build_heads(mine: Sandbox) -> None:
    """Main knows both languages, ``tune`` forgot one; ``arabic`` and ``german`` each learned one."""
    mine.theta("install", "--local")
    mine.theta("track", "*.safetensors")
    command = shlex.join([sys.executable, "evals/classes.py"])
    definitions = file_of("docs/how-to/evaluate.md", "toml").replace("python evals/classes.py", command)
    mine.write(".theta/evals.toml", definitions.encode())
    mine.write("evals/classes.py", SCRIPT.encode())
    mine.write(FILE, checkpoint(0, 0))
    start = mine.commit("The model as published")
    mine.write(FILE, checkpoint(1, 1))
    mine.commit("Both languages")
    for name, values in HEADS.items():
        mine.git("switch", "--quiet", "-c", name, "main" if name == "tune" else start)
        mine.write(FILE, checkpoint(*values))
        mine.commit(name)
    origin = Sandbox.create(mine.root.parent / "origin.git", install=False, bare=True)
    mine.git("remote", "add", "origin", str(origin.root))
    mine.git("push", "--quiet", "--all", "origin")


def begin_on_main(mine: Sandbox) -> None:
    """Where gates hold."""
    mine.git("switch", "--quiet", "main")


def begin_on_arabic(mine: Sandbox) -> None:
    """Where a merge that takes the base loses what both heads learned."""
    mine.git("switch", "--quiet", "arabic")


def begin_search(mine: Sandbox) -> None:
    """Where heads that each know one language are to be merged, by an evaluation that may run."""
    begin_on_arabic(mine)
    mine.theta("eval", "--allow", "classes")


def configure_evaluator(mine: Sandbox) -> None:
    """An evaluator of the reader's own."""
    mine.git("config", "theta.eval.mine.command", """echo '{"id": "a", "score": 1, "bucket": "b"}'""")
