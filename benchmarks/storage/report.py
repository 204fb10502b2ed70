"""The tables of the part ``storage``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.delta_ratios import SIMPLE_WAYS
from benchmarks.results import MB, OURS
from benchmarks.storage.costs import Cost
from benchmarks.storage.history import HistoryCost
from benchmarks.storage.ways import TOLD, WAYS
from benchmarks.tables import render_table

PART = "storage"
_NOTES = """\
Raw bytes over stored ones; Git LFS stores all of them (1.00). ✗: the same bytes did not come back. BitX is what ZipLLM
does (xor, byte planes, zstd). "told": an adapter that was side-loaded, manifest included. Rows that begin with the name
of a model are published releases of it, whole files: tensors as git-theta finds them, and all bytes between them; tools
that take safetensors alone have no cell there. Speeds: GB of raw bytes in a second of processors, of all cores
together, the median of the pairs whose names begin so. Times of the history are of one round. All times depend on what
else the machine does: load says how much."""


_NOT_OURS = ("size", "rounds", "mergekit")


class PairCosts(NamedTuple):
    """A pair's raw bytes, and what each way takes."""

    name: str
    raw: int
    costs: Mapping[str, Cost]


class StorageResult(NamedTuple):
    """Everything that was measured.

    Attributes:
        about: what else to say of it: versions of tools, what the machine did beside.
    """

    pairs: Sequence[PairCosts]
    histories: Sequence[HistoryCost]
    about: Mapping[str, str]

    def render(self, about: Mapping[str, str]) -> dict[str, str]:
        """By the part of the page: what it was taken on, and the tables."""
        about = {name: value for name, value in about.items() if name not in _NOT_OURS} | dict(self.about)
        machine = "; ".join(f"{name}: {value}" for name, value in about.items())
        tables = {
            "A version beside its base": _render_ratios(self.pairs),
            "Speed of each way": _render_speeds(self.pairs),
            "Nine versions": _render_histories(self.histories),
        }
        texts = [f"### {title}\n\n{table}" for title, table in tables.items()]
        return {PART: "\n\n".join([machine, _NOTES, *texts]) + "\n"}

    def missed_budgets(self, allowed: float = 1.01) -> list[str]:
        """Pairs that we store in more than ``allowed`` times the bytes of the best simple way, in words."""
        found = []
        for name, _, costs in self.pairs:
            size, best = min((costs[way].size, way) for way in SIMPLE_WAYS)
            if costs[OURS].size > allowed * size:
                found.append(f"{name}: {costs[OURS].size / size:.3f} x {best}")
        return found

    def to_json(self) -> dict[str, object]:
        """For a program that reads it."""
        pairs = {
            each.name: {"raw": each.raw} | {way: cost._asdict() for way, cost in each.costs.items()}
            for each in self.pairs
        }
        return {"pairs": pairs, "histories": [each._asdict() for each in self.histories]}


def _render_ratios(pairs: Sequence[PairCosts]) -> str:
    ways = [name for name in WAYS if any(name in each.costs for each in pairs)]
    rows = [[each.name, *(_format_ratio(each, way) for way in ways)] for each in pairs]
    return render_table(["versions", *ways], rows)


def _format_ratio(pair: PairCosts, way: str) -> str:
    cost = pair.costs.get(way)
    if cost is None:
        return ""
    ratio = pair.raw / cost.size
    return f"{ratio:,.{0 if ratio >= 100 else 2}f}{'' if cost.is_exact else ' ✗'}"


def _render_speeds(pairs: Sequence[PairCosts]) -> str:
    rows = []
    for way in WAYS:
        cells = [
            _median_speed(pairs, way, dtype, side) for dtype in ("bf16", "fp32") for side in ("encoding", "decoding")
        ]
        if way != TOLD and any(cells):
            rows.append([way, *cells])
    return render_table(["way", "bf16, encode", "decode", "fp32, encode", "decode"], rows)


def _median_speed(pairs: Sequence[PairCosts], way: str, dtype: str, side: str) -> str:
    found = [(each.raw, each.costs[way]) for each in pairs if each.name.startswith(dtype) and way in each.costs]
    speeds = [raw / seconds / 1e9 for raw, cost in found if (seconds := getattr(cost, side))]
    return f"{statistics.median(speeds):.2f}" if speeds else ""


def _render_histories(histories: Sequence[HistoryCost]) -> str:
    rows = [
        [
            each.name,
            f"{each.stored / MB:.1f} MB of {each.raw / MB:.1f}",
            f"{each.raw / each.stored:.2f}",
            f"{each.adds[0]:.2f} s",
            _format_range(each.adds[1:]),
            f"{each.checkouts[0]:.2f} s",
            _format_range(each.checkouts[1:]),
        ]
        for each in histories
    ]
    head = ["history", "stored", "raw / stored", "add, first", "others", "checkout, first", "others"]
    return render_table(head, rows)


def _format_range(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"
