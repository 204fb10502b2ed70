"""What a merge did, parameter by parameter: as data, and as the trailers of its commit."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from git_theta.merging.agreement import compare_heads
from git_theta.merging.change_sums import ChangeSums, add_up_facts, facts_json
from git_theta.merging.planning.decisions import Decision, DecisionState
from git_theta.merging.planning.plan import Plan
from git_theta.merging.planning.plan_rendering import explain_decision
from git_theta.operations.merging.frame_keys import is_frame_name
from git_theta.operations.merging.measured_changes import NOT_MEASURED, MeasuredChanges
from git_theta.operations.merging.merge_results import AppliedStrategy, ContestedDecision, MergeResult

TRAILER = "Theta-Merge"
VERSION = 1

Record = dict[str, Any]


def record_merge(path: str, merged: MergeResult, measured: MeasuredChanges = NOT_MEASURED) -> Record:
    """What became of a file; JSON can hold it.

    Args:
        path: the file.
        merged: what came of its plan.
        measured: the changes of contested parameters.
    """
    plan = merged.plan
    applied = {item.decision.names: item for item in merged.applied}
    left = {item.decision.names: item for item in merged.left}
    decisions = (item.decision for items in (merged.applied, merged.left) for item in items)
    framing = {decision.names: decision for decision in decisions if is_frame_name(decision.name)}
    return {
        "path": path,
        "format": plan.format,
        "heads": list(plan.labels),
        "counts": {state.value: count for state, count in plan.counts.items()},
        "changes": facts_json(add_up_facts(measured.computed.values())),
        "parameters": [
            _parameter_record(plan, decision, applied.get(decision.names), left.get(decision.names), measured)
            for decision in (*framing.values(), *plan.decisions)
            if decision.state is not DecisionState.UNCHANGED
        ],
    }


def trailers(records: Iterable[Record]) -> list[str]:
    """``Theta-Merge: path strategy option=value ... N contested of M``: a line per file, strategy and options.

    What is no parameter has a line of its own: ``N of the frame``, or ``as a whole`` of a file that is kept so. Where a
    strategy found the weights of heads itself (``smear``), a line for each set of weights, with their entropy. Where
    the last bit depends on what computed, it is named.
    """
    lines = []
    for file in records:
        total = sum(file["counts"].values())
        done = [item for item in file["parameters"] if item["strategy"] and item["left"] is None]
        settled = Counter((_strategy_words(item), is_frame_name(item["name"])) for item in done)
        lines += [
            f"{TRAILER}: {quote_path(file['path'])} {words} {_spell_share(count, total, framing)}"
            for (words, framing), count in settled.items()
        ]
    return lines


def _spell_share(count: int, total: int, framing: bool) -> str:
    """Of how many it is; ``framing``: it is about what is no parameter."""
    if framing:
        return f"{count} of the frame" if total else "as a whole"
    return f"{count} contested of {total}"


def as_json(records: Sequence[Record], *, evaluated: bool = False) -> str:
    """The report for programs. ``evaluated``: whether an evaluator has seen the result."""
    data = {"version": VERSION, "evaluated": evaluated, "files": list(records)}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def _parameter_record(
    plan: Plan,
    decision: Decision,
    applied: AppliedStrategy | None,
    left: ContestedDecision | None,
    measured: MeasuredChanges,
) -> Record:
    report, computed = (applied.report if applied else None), measured.computed.get(decision.name)
    return {
        "name": decision.name,
        "names": list(decision.names),
        "state": decision.state.value,
        "by": [plan.labels[head] for head in decision.by],
        "reason": explain_decision(plan, decision),
        "kind": (applied and applied.kind) or None,
        "strategy": _choice_record(applied) if applied else None,
        "left": (left.reason or "no strategy was chosen for it") if left else None,
        "weights": list(report.weights) if report else [],
        "facts": {name: _finite_or_none(value) for name, value in report.facts.items()} if report else {},
        "nonfinite": dict(report.nonfinite) if report else {},
        "notes": list(report.notes) if report else [],
        "computed_by": report.computed_by if report else "",
        "changes": facts_json(computed.facts() if computed else None),
        "agreement": list(_agreement_records(plan, decision, measured.find(decision.name))),
    }


def _choice_record(applied: AppliedStrategy) -> Record:
    """The strategy, and all that repeating the merge takes; ``text`` is what a person would have to write."""
    choice, (weights, seed, _) = applied.choice, applied.settings
    words = [str(choice)]
    words += [f"weights={','.join(f'{weight:g}' for weight in weights)}"] if weights else []
    words += [f"seed={seed}"] if seed else []
    return {
        "name": choice.strategy,
        "options": dict(choice.options),
        "weights": weights and list(weights),
        "seed": seed,
        "origin": choice.origin,
        "text": " ".join(words),
    }


def _agreement_records(plan: Plan, decision: Decision, sums: ChangeSums | None) -> Iterator[Record]:
    """Each two heads that changed it."""
    changing = [head for head in decision.by if decision.heads[head]]
    for found in compare_heads(sums, changing) if sums and sums.elements else ():
        heads = [plan.labels[head] for head in found.heads]
        yield {"heads": heads, "cosine": found.cosine, "sign_conflicts": found.sign_conflicts}


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _strategy_words(item: Record) -> str:
    found: str = item["strategy"]["text"]
    if "entropy" in item["facts"]:
        weights = ",".join("-" if weight is None else f"{weight:.4g}" for weight in item["weights"])
        found += f" weights={weights} entropy={item['facts']['entropy']:.4g}"
    return f"{found} ({item['computed_by']})" if item["computed_by"] else found


def quote_path(text: str) -> str:
    """A path as one word of a line."""
    return text if text.isprintable() and not {" ", '"'} & set(text) else json.dumps(text)
