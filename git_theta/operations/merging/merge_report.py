"""What a merge did, parameter by parameter: as data, as Markdown, and as the trailers of its commit."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from git_theta.merging import options
from git_theta.merging.agreement import compare_heads
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.change_sums import ChangeFacts, ChangeSums, add_up_facts, describe_total, facts_json
from git_theta.merging.decisions import Decision, DecisionState
from git_theta.merging.plan import Plan
from git_theta.merging.plan_rendering import explain_decision
from git_theta.operations.merging.frame_merge import is_frame_name
from git_theta.operations.merging.measured_changes import NOT_MEASURED, MeasuredChanges
from git_theta.operations.merging.merge_results import AppliedStrategy, ContestedDecision, MergeResult

TRAILER = "Theta-Merge"
_NOT_EVALUATED = "not evaluated: git theta eval"
_MANY = 3
"""Heads from which on a sum may leave all of them far behind."""
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

    Where a strategy found the weights of heads itself (``smear``), a line for each set of weights, with their entropy.
    Where the last bit depends on what computed, it is named.
    """
    lines = []
    for file in records:
        total = sum(file["counts"].values())
        settled = Counter(
            _strategy_words(item) for item in file["parameters"] if item["strategy"] and item["left"] is None
        )
        lines += [
            f"{TRAILER}: {_quote_path(file['path'])} {done} {count} contested of {total}"
            for done, count in settled.items()
        ]
    return lines


def as_json(records: Sequence[Record], *, evaluated: bool = False) -> str:
    """The report for programs. ``evaluated``: whether an evaluator has seen the result."""
    data = {"version": VERSION, "evaluated": evaluated, "files": list(records)}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def as_markdown(records: Sequence[Record], *, evaluated: bool = False) -> str:
    """The report for people; the last line says where a sum of many changes was not evaluated."""
    ending = [_NOT_EVALUATED, ""] if not evaluated and any(map(_adds_many, records)) else []
    return "\n".join(["# Merge report", "", *(line for file in records for line in _file_section(file)), *ending])


def _adds_many(file: Record) -> bool:
    """Whether changes of so many heads were added to a parameter that nothing but running the model tells of it."""
    settled = (one["strategy"] for one in file["parameters"] if one["strategy"])
    return len(file["heads"]) >= _MANY and any(_adds_changes(one["name"], one["options"]) for one in settled)


def _adds_changes(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a strategy makes a sum of changes, and no mean: by its own option."""
    strategy = load_strategy(name)
    return options.parse_options(name, strategy.options, given).get("normalize") is False


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


def _quote_path(text: str) -> str:
    """A path as one word of a line."""
    return text if text.isprintable() and not {" ", '"'} & set(text) else json.dumps(text)


def _file_section(file: Record) -> Iterator[str]:
    counts = ", ".join(f"{count} {state.replace('-', ' ')}" for state, count in file["counts"].items())
    yield f"## {_escape_cell(file['path'])}"
    yield ""
    heads = ", ".join(map(_escape_cell, file["heads"]))
    yield f"{_escape_cell(file['format'])}, heads {heads}: {counts or 'not by parameters'}."
    yield ""
    if file["changes"]:
        yield f"Computed: {describe_total(ChangeFacts(**file['changes']))}."
        yield ""
    if file["parameters"]:
        yield "| parameter | what happened | strategy | R | cosine of changes | sign conflicts | also |"
        yield "|---|---|---|---|---|---|---|"
        yield from map(_table_row, file["parameters"])
        yield ""


def _table_row(item: Record) -> str:
    chosen = item["strategy"]["text"] if item["strategy"] else "**contested**" if item["left"] else ""
    cosines = _number_range([pair["cosine"] for pair in item["agreement"]], "{:.4f}")
    signs = _number_range([100 * pair["sign_conflicts"] for pair in item["agreement"]], "{:.1f} %")
    ratio = item["changes"] and item["changes"]["ratio"]
    far = "" if ratio is None else f"{ratio:.4g}"
    name, also = item["name"] or "(the file's frame)", "; ".join(_remarks(item))
    cells = [name, item["reason"], chosen, far, cosines, signs, also]
    return f"| {' | '.join(map(_escape_cell, cells))} |"


def _number_range(values: Sequence[float | None], form: str) -> str:
    """A number for each two heads: the one, or the lowest and the highest."""
    numbers = [value for value in values if value is not None]
    shown = list(dict.fromkeys(form.format(value) for value in (min(numbers), max(numbers)))) if numbers else []
    return " to ".join(shown) or ("none" if values else "")


def _remarks(item: Record) -> Iterator[str]:
    if item["left"]:
        yield item["left"]
    if item["kind"]:
        yield f"a {item['kind']}, not merged as weights are"
    if item["weights"]:
        yield "weights " + ", ".join("none" if weight is None else f"{weight:.4g}" for weight in item["weights"])
    yield from (f"{name} {'not finite' if fact is None else f'{fact:.4g}'}" for name, fact in item["facts"].items())
    yield from (f"{count} not finite in {where}" for where, count in item["nonfinite"].items())
    yield from item["notes"]


def _escape_cell(text: str) -> str:
    """Text from a file, made harmless for a table."""
    plain = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
    return plain.replace("|", "\\|").replace("<", "&lt;")
