"""What ``.theta/evals.toml`` may say, and what is refused, with the name and the reason."""

from __future__ import annotations

import re

import pytest

from git_theta.errors import UsageError
from git_theta.evaluation.definitions import EvaluationDefinition, digest_program, parse_definitions
from git_theta.evaluation.gates import Gate

WHOLE = b"""\
[eval.classes]
checkpoint = ["*.safetensors", "/old/model.pt"]
direction = "down"
buckets = ["arabic", "german"]
gate = ["mean >= before - 0.005", "no bucket worse"]
required = true
items = "evals/items.txt"
version = "2"
timeout = 600
command = "python evals/classes.py"
server = true

[eval.harness]
evaluator = "lm-eval"
"""


def test_the_whole_file() -> None:
    found = parse_definitions(WHOLE)
    assert list(found) == ["classes", "harness"]
    assert found["classes"] == EvaluationDefinition(
        "classes",
        ("*.safetensors", "/old/model.pt"),
        "down",
        ("arabic", "german"),
        (Gate("mean >= before - 0.005", "mean", ">=", True, -0.005), Gate("no bucket worse")),
        True,
        "evals/items.txt",
        "2",
        600,
        "python evals/classes.py",
        "server",
    )
    assert found["harness"].runs_something
    assert parse_definitions(b"") == {}


def test_what_is_allowed_is_evaluator_and_command() -> None:
    """Written down: what people have allowed must stay allowed."""
    assert digest_program("command", "python evals/classes.py") == (
        "907457d7f54ff8b989499cb8da958d0d28a8dac31cf439f50336a8eea9e4e197"
    )
    assert digest_program("server", "a") != digest_program("command", "a")


BAD = {
    b"[eval": "not valid TOML",
    b"\xff": "not UTF-8",
    b"evil = 1": "unknown key 'evil'",
    b"eval = 1": "eval is no table",
    b"[eval]\na = 1": "eval is no table",
    b"[eval.'a b']": "eval.a b: is no name",
    b"[eval.'a.b']": "eval.a.b: is no name",
    b"[eval.a]\ngates = []": "unknown key 'gates'",
    b"[eval.a]\ngate = ['mean']": "'mean' is no gate",
    b"[eval.a]\ngate = [1]": "gate is neither a text nor",
    b"[eval.a]\ndirection = 'left'": "direction is neither",
    b"[eval.a]\nrequired = 'yes'": "required is neither true nor false",
    b"[eval.a]\ntimeout = -1": "timeout is no number of seconds",
    b"[eval.a]\ntimeout = nan": "timeout is no number of seconds",
    b"[eval.a]\ntimeout = true": "timeout is no number of seconds",
    b"[eval.a]\ncommand = 7": "command is no text",
    b'[eval.a]\ncommand = "a\\u0000b"': "command is no text",
    b"[eval.a]\ncheckpoint = '['": "has a [ without its ]",
}


@pytest.mark.parametrize("content", BAD)
def test_what_cannot_be_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match=re.escape(BAD[content])) as caught:
        parse_definitions(content)
    assert caught.value.path == ".theta/evals.toml"
