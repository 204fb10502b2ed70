"""Successive releases of published models, as packages carry them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.packages import fetch_archive
from benchmarks.storage.costs import VersionPair


class Release(NamedTuple):
    """A checkpoint in a package: ``name==version``, and the file's path in its archive."""

    package: str
    member: str


_SILERO, _SEVENNET = "silero_vad/data/silero_vad", "sevenn/pretrained_potentials/SevenNet_0__"
_TORCH_5, _TORCH_6, _TORCH_6_2 = (
    Release(f"silero-vad=={version}", f"{_SILERO}.jit") for version in ("5.1.2", "6.0.0", "6.2.0")
)
_ONNX_5, _ONNX_6, _ONNX_6_2 = (Release(one.package, f"{_SILERO}.onnx") for one in (_TORCH_5, _TORCH_6, _TORCH_6_2))
_WHISPERS_6 = Release("faster-whisper==1.2.1", "faster_whisper/assets/silero_vad_v6.onnx")
_SEVENNET_MAY, _SEVENNET_JULY = (
    Release("sevenn==0.10.3", f"{_SEVENNET}{day}/checkpoint_sevennet_0.pth") for day in ("22May2024", "11Jul2024")
)
_SETTINGS = "8c22d89667368f2f02ad996469ba157e"
_DEEPLC_2 = Release("deeplc==2.2.38", f"deeplc/mods/full_hc_PXD005573_mcp_{_SETTINGS}.hdf5")
_DEEPLC_3 = Release("deeplc==3.1.13", f"deeplc/mods/full_hc_PXD005573_pub_{_SETTINGS}.keras")

RELEASES = {
    "Silero VAD 5.1.2 to 6.0.0, ONNX": (_ONNX_5, _ONNX_6),
    "Silero VAD 6.0.0 to 6.2.0, TorchScript": (_TORCH_6, _TORCH_6_2),
    "Silero VAD 6.2.0, TorchScript to ONNX": (_TORCH_6_2, _ONNX_6_2),
    "Silero VAD 6.0.0, exported by others": (_ONNX_6, _WHISPERS_6),
    "SevenNet-0 of May to July 2024, torch": (_SEVENNET_MAY, _SEVENNET_JULY),
    "DeepLC 2.2.38 to 3.1.13, HDF5 to Keras": (_DEEPLC_2, _DEEPLC_3),
}
"""By what lies between them, an earlier one and a later one."""


def pair_releases(folder: Path) -> Iterator[VersionPair]:
    """All of them, out of archives that are kept in ``folder``; what cannot be fetched is left out, with a word."""
    for name, releases in RELEASES.items():
        try:
            base, tuned = (place_release(folder, release) for release in releases)
        except subprocess.CalledProcessError:
            print(f"{name}: left out, as the packages cannot be fetched", file=sys.stderr)
        else:
            yield VersionPair(name, base, tuned)


def place_release(folder: Path, release: Release) -> Path:
    """The checkpoint below ``folder`` (made here), out of its archive there; see ``fetch_archive``."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = fetch_archive(folder, release.package)
    with zipfile.ZipFile(archive) as opened:
        return Path(opened.extract(release.member, folder / release.package))
