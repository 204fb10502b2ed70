"""The how-to's examples are run as they are printed: the page fails when it is stale."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from git_theta import known_plugins
from tests.sandbox import Sandbox, model, track_and_commit
from tests.test_plugins import describe

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
FENCE = re.compile(r"^```(?:python|toml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_pass_the_kit(tmp_path: Path) -> None:
    for name, text in FENCE.findall(PAGE):
        (tmp_path / name).write_text(text)
    describe(tmp_path, tmp_path / "site")
    found = "from git_theta.formats.base import FORMATS; print(FORMATS.load_plugin('bag').name)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path / "site", tmp_path, ROOT)))}
    for command in (["-c", found], ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, tmp_path]):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    examples = {
        "bag.py", "pyproject.toml", "test_bag.py", "test_my_store.py", "trimmed.py", "test_trimmed.py", "relay.py",
        "test_relay.py", "xor_update.py", "test_xor_update.py", "largest.py",
        "fisher_mean.py", "test_fisher_mean.py", "moved.py", "test_moved.py",
        "layer_sizes.py", "test_layer_sizes.py",
    }  # fmt: skip
    assert {name for name, _ in FENCE.findall(PAGE)} == examples


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(git_theta(?:\.\w+)+)`", PAGE))))
def test_what_the_page_names_is_there(name: str) -> None:
    if name.startswith("git_theta.plugins."):
        assert name.rpartition(".")[2] in known_plugins.BUILT_IN
        return
    module, _, attribute = name.rpartition(".")
    if attribute[0].isupper():
        assert hasattr(import_module(module), attribute)
    else:
        import_module(name)


def test_every_family_with_a_kit_is_on_the_page() -> None:
    assert set(re.findall(r"`git_theta\.plugins\.(\w+)`", PAGE)) == set(known_plugins.BUILT_IN)
    kits = {"formats", "updates", "serializers", "stores", "transports", "merges", "measures", "evaluators"}
    assert set(re.findall(r"^\| (\w+) \|.*`git_theta\.testing", PAGE, re.MULTILINE)) == kits


def test_the_toml_is_like_that_of_our_own_plug_ins() -> None:
    ours = tomllib.loads((ROOT / "plugins" / "git-theta-numpy" / "pyproject.toml").read_text())["project"]
    (printed,) = (tomllib.loads(text)["project"] for name, text in FENCE.findall(PAGE) if name == "pyproject.toml")
    assert printed.keys() <= ours.keys()
    assert printed["entry-points"].keys() == ours["entry-points"].keys()


def test_the_command_of_the_page_names_the_largest_parameter(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = (text for name, text in FENCE.findall(PAGE) if name == "largest.py")
    track_and_commit(sandbox, {"model.safetensors": model(small=2, large=(3, 4))})
    names: dict[str, Any] = {}
    exec(compile(text, "largest.py", "exec"), names)
    monkeypatch.chdir(sandbox.root)
    done = CliRunner().invoke(names["largest"], ["model.safetensors"])
    assert (done.output, done.exit_code) == ("large\n", 0)
