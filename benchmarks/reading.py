"""What reading alone costs: values are decoded and verified, as a checkout does, and let go of."""

from __future__ import annotations

import sys

from benchmarks.models import TUNED, ModelVersion
from benchmarks.results import OURS
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.steps import Tool
from benchmarks.timing import Command
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest, encode_manifest

READ = "read"

_SMUDGE = f'"{sys.executable}" -I -m git_theta.cli.one_shot smudge {FILE_NAME} > /dev/null'
_READ_SCRIPT = f"""\
set -e
cd "$0"
for revision; do
    for name in $(git ls-files "*.safetensors"); do
        git cat-file blob "$revision:$name" | {_SMUDGE}
    done
done"""


def read_versions(*versions: ModelVersion) -> Tool:
    """Reads versions of the checkpoint, one after the other, out of our stage's repository."""
    return lambda stage: ["sh", "-c", _READ_SCRIPT, stage.stage_of(OURS).root, *versions]


def read_tuned(*versions: ModelVersion) -> Tool:
    """Reads, of some versions, the one tensor that differs in ``one``: in one process, by a manifest of these alone."""

    def prepare(stage: Stage) -> Command:
        found = [
            _tuned_entry(stage.stage_of(OURS), version)._replace(name=str(number))
            for number, version in enumerate(versions)
        ]
        file = stage.folder / "manifest"
        file.write_bytes(encode_manifest(Manifest("safetensors", sum(entry.size for entry in found), tuple(found))))
        return ["sh", "-c", f'cd "$0" && {_SMUDGE} < "$1"', stage.stage_of(OURS).root, file]

    return prepare


def _tuned_entry(stage: Stage, version: ModelVersion) -> Entry:
    text = stage.repository.git("cat-file", "blob", f"{version}:{FILE_NAME}").stdout.encode()
    return next(one for one in decode_manifest(text).parameters() if one.name == TUNED)
