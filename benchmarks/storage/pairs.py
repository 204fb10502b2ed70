"""The pairs of versions: fine-tunes, casts, averages, optimizer states, what people do to a model, and releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.storage.adapters import RANKS, can_merge, merge_adapter, round_adapter, train_adapter
from benchmarks.storage.costs import VersionPair
from benchmarks.storage.fine_tunes import (
    RUNS,
    STEPS,
    Learning,
    average_file,
    moments_file,
    step_file,
    train_run,
)
from benchmarks.storage.releases import pair_releases
from demo.training import read_checkpoint

_SPANS = ((0, 60), (60, 120), (180, 240), (0, 240))
_LAST_SPANS = _SPANS[2:]
_NEW_WORDS = 64
_WORDS = "embeddings.word_embeddings.weight"
StateDict = Mapping[str, Tensor]


def make_pairs(folder: Path, learning: Learning) -> Iterator[VersionPair]:
    """All of them, one after the other; what they need is trained in ``folder`` or fetched, unless it is there.

    Files of a pair may be overwritten by the next one.
    """
    fp32, other, pure = RUNS
    first = train_run(folder, fp32, learning)
    yield from _pair_spans("", first, folder, _SPANS)
    tuned = step_file(first, STEPS)
    rounded = write_cast(tuned, folder / "cast.safetensors")
    yield VersionPair("bf16 cast beside its fp32", tuned, rounded)
    yield from _pair_both("average of weights, 210 to 240", average_file(first, 210), average_file(first, 240), folder)
    yield VersionPair("fp32 optimizer, 210 to 240", moments_file(first, 210), moments_file(first, 240))
    yield from _pair_both("half pruned by size", tuned, _rewrite(tuned, folder / "pruned.safetensors", _prune), folder)
    grown = _rewrite(step_file(first, 60), folder / "grown.safetensors", _grow)
    yield from _pair_both(f"{_NEW_WORDS} words more, 0 to 60", step_file(first, 0), grown, folder)
    if can_merge():
        for rank in RANKS:
            yield from _pair_merges(rank, folder, learning)
    run = train_run(folder, pure, learning)
    for old, new in _SPANS:
        yield VersionPair(f"pure bf16, {old} to {new}", step_file(run, old), step_file(run, new))
    second = train_run(folder, other, learning)
    yield from _pair_spans("second run, ", second, folder, _LAST_SPANS)
    yield from _pair_both("average of both runs beside one", tuned, _write_soup(first, second, folder), folder)
    yield from pair_releases(folder / "releases")


def write_cast(source: Path, target: Path) -> Path:
    """The floats of a checkpoint rounded to bf16, at ``target``."""
    return _rewrite(source, target, lambda state: {name: _round(value) for name, value in state.items()})


def cut_matrices(source: Path, target: Path) -> Path:
    """Of a checkpoint the matrices in its layers alone, at ``target``: what adapters change."""
    return _rewrite(source, target, _keep_matrices)


def _pair_spans(prefix: str, run: Path, folder: Path, spans: Sequence[tuple[int, int]]) -> Iterator[VersionPair]:
    for old, new in spans:
        yield from _pair_both(f"{prefix}{old} to {new}", step_file(run, old), step_file(run, new), folder)


def _pair_both(name: str, base: Path, tuned: Path, folder: Path) -> Iterator[VersionPair]:
    """As they are, fp32, and both cast to bf16."""
    yield VersionPair(f"fp32, {name}", base, tuned)
    casts = (write_cast(file, folder / f"{side}.safetensors") for file, side in ((base, "old"), (tuned, "new")))
    yield VersionPair(f"bf16, {name}", *casts)


def _pair_merges(rank: int, folder: Path, learning: Learning) -> Iterator[VersionPair]:
    """Matrices alone: all else is the same, and stored once. Adapters as trained, fp32, and as many save them, bf16."""
    adapter = train_adapter(folder, rank, learning)
    rounded = round_adapter(adapter, folder / "rounded-adapter")
    base = write_cast(learning.base, folder / "old.safetensors")
    yield _pair_merge(f"fp32, adapter of rank {rank} merged", learning.base, adapter, folder)
    yield _pair_merge(f"bf16, adapter of rank {rank} merged", base, adapter, folder)
    yield _pair_merge(f"bf16, adapter of rank {rank} in bf16 merged", base, rounded, folder)


def _pair_merge(name: str, whole: Path, adapter: Path, folder: Path) -> VersionPair:
    merged = folder / "merged.safetensors"
    merge_adapter(whole, adapter, merged)
    old = cut_matrices(whole, folder / "old-matrices.safetensors")
    return VersionPair(name, old, cut_matrices(merged, folder / "new-matrices.safetensors"), adapter)


def _rewrite(source: Path, target: Path, change: Callable[[StateDict], StateDict]) -> Path:
    save_file({name: value.contiguous() for name, value in change(read_checkpoint(source)).items()}, target)
    return target


def _round(value: Tensor) -> Tensor:
    return value.bfloat16() if value.is_floating_point() else value


def _keep_matrices(state: StateDict) -> StateDict:
    return {name: value for name, value in state.items() if value.dim() == 2 and "layer." in name}


def _prune(state: StateDict) -> StateDict:
    """Of each matrix the smaller half is 0."""
    are_matrices = {name: value.dim() == 2 and value.is_floating_point() for name, value in state.items()}
    return {
        name: value * (value.abs() > value.abs().median()) if are_matrices[name] else value
        for name, value in state.items()
    }


def _grow(state: StateDict) -> StateDict:
    """Words at the end of the vocabulary, near the mean of the others, as people add them."""
    words = state[_WORDS]
    drawn = torch.randn(_NEW_WORDS, words.shape[1], generator=torch.Generator().manual_seed(0))
    return {**state, _WORDS: torch.cat([words, words.mean(0) + 0.02 * drawn])}


def _write_soup(first: Path, second: Path, folder: Path) -> Path:
    other = read_checkpoint(step_file(second, STEPS))

    def average(state: StateDict) -> StateDict:
        return {
            name: (value + other[name]) / 2 if value.is_floating_point() else value for name, value in state.items()
        }

    return _rewrite(step_file(first, STEPS), folder / "soup.safetensors", average)
