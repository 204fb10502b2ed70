"""Every way to store a pair, by its name on the page."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.delta_ratios import SIMPLE_WAYS
from benchmarks.results import OURS
from benchmarks.storage.costs import Cost, VersionPair, Way
from benchmarks.storage.file_parts import is_safetensors
from benchmarks.storage.other_tools import store_deltatensors, store_moonclip, store_xet, store_zipnn
from benchmarks.storage.plain_ways import store_bitx, store_ours, store_planes, store_zstd
from benchmarks.storage.side_loading import store_told

TOLD = "told"
WAYS: Mapping[str, Way] = {
    "zstd": store_zstd,
    "Xet": store_xet,
    "ZipNN": store_zipnn,
    "moonclip": store_moonclip,
    "deltatensors": store_deltatensors,
    "BitX": store_bitx,
    **{name: partial(store_planes, name) for name in SIMPLE_WAYS},
    OURS: store_ours,
    TOLD: store_told,
}
_ONLY_SAFETENSORS = ("moonclip", "deltatensors")
_PACKAGES = {"Xet": "hf_xet", "ZipNN": "zipnn", "moonclip": "moonclip", "deltatensors": "deltatensors"}


def find_ways() -> dict[str, Way]:
    """Those whose packages are installed; what is left out is said."""
    lacking = {name for name, package in _PACKAGES.items() if importlib.util.find_spec(package) is None}
    if lacking:
        print(f"left out, as they are not installed: {', '.join(sorted(lacking))}", file=sys.stderr)
    return {name: way for name, way in WAYS.items() if name not in lacking}


def describe_tools() -> dict[str, str]:
    """The versions of those that are installed."""
    packages = ("torch", "hf-xet", "zipnn", "moonclip", "deltatensors", "peft")
    return {name: version(name) for name in packages if importlib.util.find_spec(name.replace("-", "_"))}


def store_pair(pair: VersionPair, ways: Mapping[str, Way], folder: Path) -> dict[str, Cost]:
    """What each way takes that can store it; who refuses a pair is left out, with a word."""
    found = {}
    for name, way in ways.items():
        if not _is_for(name, pair):
            continue
        place = folder / "way"
        place.mkdir()
        try:
            found[name] = way(pair, place)
        except (ValueError, TypeError, KeyError) as error:  # a tool's own, for a shape or dtype that it does not take
            print(f"{pair.name}: {name} refuses: {error}", file=sys.stderr)
        shutil.rmtree(place)
    return found


def _is_for(way: str, pair: VersionPair) -> bool:
    if way == TOLD:
        return pair.adapter is not None
    return way not in _ONLY_SAFETENSORS or (is_safetensors(pair.base) and is_safetensors(pair.tuned))
