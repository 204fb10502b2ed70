"""What ``git theta merge`` prints for programs is all in the reference."""

from __future__ import annotations

import json
from pathlib import Path

from tests.docs.test_command_reference import PARTS, code_words
from tests.sandbox import Sandbox, changed, model


def test_every_key_of_plan_and_report_is_described(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", model())
    sandbox.commit()
    sandbox.git("checkout", "--quiet", "-b", "topic")
    sandbox.write("a.safetensors", changed(model(), "layer.bias", b"\1"))
    sandbox.commit("theirs")
    sandbox.git("checkout", "--quiet", "main")
    sandbox.write("a.safetensors", changed(model(), "layer.bias", b"\2"))
    sandbox.commit("ours")
    plan = json.loads(sandbox.theta("merge", "topic", "--plan", "--json").stdout)
    sandbox.theta("merge", "topic", "-s", "average", "--report", tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text())
    [file], [merged] = plan["files"], report["files"]
    [parameter] = merged["parameters"]
    [agreement] = parameter["agreement"]
    objects = (plan, plan["heads"][0], file, report, merged, parameter, parameter["strategy"], agreement)
    found = {key for item in objects for key in item}
    assert found - code_words(PARTS["merge"]) == set()
