"""The reference of strategies, made from their declarations: ``python -m git_theta.merging.reference > FILE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from git_theta import registry
from git_theta.merging.base import Strategy
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import FLOATING
from git_theta.merging.options import Option

INTRODUCTION = f"""\
# Merge strategies

Made from the strategies' own declarations by `python -m git_theta.merging.reference`.

What all of them have in common:

- A parameter that one head alone changed, or that all heads changed in the same way, needs no strategy: it is taken as
  it is, bit for bit. Strategies see what is contested.
- x_i is the tensor of head i, w_i its weight (1 where none are given), tau_i = x_i - base its task vector.
- Arithmetic is in fp32, in fp64 for fp64 tensors, with one rounding to the stored dtype at the end, and gives the same
  bytes for any number of threads, by numpy and by torch, and on any device. fp8 goes through fp32. What is too large
  for the stored dtype becomes infinite; in F8_E4M3 the largest number, in the FNUZ kinds NaN. A complex number counts
  as two real ones.
- Strategies that compute take tensors of one shape and one dtype, which must be one of these:
  {", ".join(FLOATING)}.
  Other dtypes hold counts, flags or codes, whose mean means nothing: they conflict.
- The order of heads changes no byte, but for `ours`, `theirs`, and for `slerp` with t other than 0.5.
- NaN and infinite elements are merged as arithmetic has it, and counted in the report.
- In Python, `lambda` is spelled `lambda_`: `git_theta.merge_tensors("ties", [a, b], base, density=0.2, lambda_=1.0)`.
"""


def render_reference() -> str:
    """The whole page, Markdown."""
    strategies = [load_strategy(name) for name in registry.BUILT_IN["merges"]]
    return (
        "\n".join([INTRODUCTION, *(line for strategy in strategies for line in _render_strategy(strategy))]).rstrip(
            "\n"
        )
        + "\n"
    )


def _render_strategy(strategy: Strategy) -> Iterator[str]:
    yield f"## {strategy.name}\n\n{strategy.summary}\n"
    yield f"- Source: {strategy.source}"
    yield f"- Heads: {_describe_range(*strategy.heads)}{', weighted or not' if strategy.takes_weights else ''}"
    yield f"- Merge base: {'needed' if strategy.needs_base else 'not used'}"
    if strategy.may_lack:
        yield "- Heads may lack the parameter"
    if not strategy.numeric:
        yield "- Takes any dtype and shape, without loading values"
    yield ""
    if strategy.options:
        yield "| option | takes | default | meaning |\n|---|---|---|---|"
        yield from map(_row, strategy.options)
        yield ""
    if strategy.details:
        yield f"{strategy.details}\n"


def _describe_range(low: int, high: int | None) -> str:
    return str(low) if low == high else f"{low} or more" if high is None else f"{low} to {high}"


def _row(option: Option) -> str:
    default = "" if option.default in (None, ()) else f"`{_spoken(option.default)}`"
    return f"| `{option.name}` | {option.describe_values()} | {default} | {option.help} |"


def _spoken(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(render_reference())
