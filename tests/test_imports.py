"""L12, quick to start: what has nothing to store imports the standard library alone.

Nothing but modules is measured here: times on a shared machine are noise, what was imported is not.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from git_theta.operations.adding.update_bases import SMALLEST_PART
from git_theta.tensors.arrays import BLOCK
from tests.evaluation.scripts import COMMAND, write_script
from tests.sandbox import Sandbox, model, track_and_commit

SLOW = {"importlib.metadata", "asyncio", "email", "multiprocessing", "tempfile", "textwrap", "unittest", "xml"}
"""Modules of the standard library that cost more than a filter may; importlib.metadata alone takes 20 ms."""

PROBE = """\
import sys
before = set(sys.modules)
{program}
import json
with open({report!r}, "w") as out:
    json.dump(sorted(set(sys.modules) - before), out)
"""


def probe(folder: Path, program: str) -> tuple[Path, Path]:
    """A script that runs ``program``, and where it reports which modules that imported."""
    report, script = folder / "modules.json", folder / "probe.py"
    script.write_text(PROBE.format(program=program, report=str(report)))
    return script, report


def foreign(report: Path) -> set[str]:
    """Modules that are neither ours nor quick ones of the standard library."""
    names = json.loads(report.read_text())
    assert any(name.partition(".")[0] == "git_theta" for name in names)
    return {
        name
        for name in names
        if name in SLOW or name.partition(".")[0] not in {*sys.stdlib_module_names, "git_theta", "__mp_main__"}
    }


@pytest.mark.parametrize("module", ["git_theta", "git_theta.cli.filter_process", "git_theta.cli.one_shot"])
def test_importing_brings_the_standard_library_alone(tmp_path: Path, module: str) -> None:
    script, report = probe(tmp_path, f"import {module}")
    subprocess.run([sys.executable, "-I", script], check=True)
    assert foreign(report) == set()


FILTER = "from git_theta.cli import boundary, filter_process\nassert boundary.run(filter_process.main) == 0"


def cleaned(sandbox: Sandbox, tmp_path: Path, *command: str) -> Path:
    """Run a Git command with a filter that reports what it imported."""
    script, report = probe(tmp_path, FILTER)
    probed = shlex.join([sys.executable, "-I", str(script)])
    sandbox.git("-c", f"filter.theta.process={probed}", *command)
    return report


@pytest.fixture
def tracked(sandbox: Sandbox) -> Sandbox:
    """A checkpoint that is committed; its file is as it was."""
    return track_and_commit(sandbox, {"model.safetensors": model()})


LOOK = ("hash-object", "--path=model.safetensors", "model.safetensors")


def test_cleaning_a_file_that_did_not_change_brings_the_standard_library_alone(
    tracked: Sandbox, tmp_path: Path
) -> None:
    assert foreign(cleaned(tracked, tmp_path, *LOOK)) == set()


def test_so_does_cleaning_one_that_was_written_again(tracked: Sandbox, tmp_path: Path) -> None:
    """No clean cache helps here: the file is another one, with the same parts."""
    tracked.write("model.safetensors", model())
    assert foreign(cleaned(tracked, tmp_path, *LOOK)) == set()


@pytest.mark.parametrize("path", ["new.safetensors", "model.safetensors"])
def test_storing_a_toy_brings_no_numpy(tracked: Sandbox, tmp_path: Path, path: str) -> None:
    """Where it is new, and where its parameters are too small for an update base, which is compared in numpy."""
    sizes = {} if path == "new.safetensors" else {"weight": SMALLEST_PART // 4 - 1}
    if sizes:
        tracked.write(path, model(**sizes))
        tracked.commit()
    tracked.write(path, model(seed=1, **sizes))
    report = cleaned(tracked, tmp_path, "hash-object", f"--path={path}", path)
    imported = {name.partition(".")[0] for name in foreign(report)}
    assert imported - {"backports", "compression"} == set()


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (["status"], ["config", "cat-file"]),
        (["add", "new.safetensors"], ["config", "cat-file", "ls-tree", "ls-files"]),
        (["cat-file", "--filters", "HEAD:model.safetensors"], ["config"]),
    ],
    ids=["known", "new", "smudged"],
)
def test_a_filter_asks_git_no_more_than_it_must(
    tracked: Sandbox, tmp_path: Path, command: list[str], wanted: list[str]
) -> None:
    """Each of these processes is a fiftieth of what a filter takes to start."""
    tracked.write("model.safetensors", model())
    tracked.write("new.safetensors", model(seed=1))
    trace = tmp_path / "trace"
    tracked.git(*command, env={"GIT_TRACE2_EVENT": str(trace)})
    events = map(json.loads, trace.read_text().splitlines())
    _, *started = [event["argv"] for event in events if event["event"] == "start"]
    assert [next(word for word in words[1:] if not word.startswith("-")) for words in started] == wanted


def test_an_evaluation_that_is_known_brings_nothing_that_runs_it(tracked: Sandbox, tmp_path: Path) -> None:
    tracked.git("config", "theta.eval.mine.command", write_script(tmp_path, COMMAND))
    tracked.theta("eval")
    script, report = probe(tmp_path, "from git_theta.cli.main import main\nassert main(['eval', 'HEAD']) == 0")
    subprocess.run([sys.executable, "-I", script], check=True, cwd=tracked.root)
    names = set(json.loads(report.read_text()))
    assert "git_theta.cli.eval_versions" in names
    runs = {"git_theta.operations.restoring.restore", "git_theta.operations.adding.split", "git_theta.cli.install"}
    assert names.isdisjoint({*SLOW, "numpy", "statistics", *runs})


def test_the_probe_sees_what_storing_brings(tracked: Sandbox, tmp_path: Path) -> None:
    """Or the tests above would pass on a filter that never ran."""
    tracked.write("model.safetensors", model(seed=1, weight=BLOCK // 4))
    assert "numpy" in foreign(cleaned(tracked, tmp_path, *LOOK))
