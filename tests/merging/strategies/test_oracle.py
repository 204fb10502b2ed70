"""Every strategy against its definition in fp64, written here anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta import merge_tensors
from tests.merging.strategies.cases import STORED, Array, Case, arrays, assert_close, cases, ulp

several = settings(max_examples=60, deadline=None)
weights_of = st.lists(st.floats(0.125, 3, width=32), min_size=4, max_size=4)
densities = st.floats(0.01, 1)
NARROW = [torch.bfloat16, torch.float16, torch.float32]
"""Where coefficients come from exp or acos, numpy's own last bit differs: an fp64 oracle cannot judge fp64."""


def trimmed(change: Array, count: int, *, skip: int = 0) -> Array:
    """The ``count`` largest magnitudes after the ``skip`` largest ones; lower indices first among equals."""
    order = np.lexsort((np.arange(len(change)), -np.abs(change)))[skip : skip + count]
    kept = np.zeros_like(change)
    kept[order] = change[order]
    return kept


def agreeing_mean(terms: Sequence[Array], weights: Sequence[float], zero: float = 1.0) -> Array:
    """The weighted mean of the non-zero terms whose sign is that of the weighted sum."""
    sign = np.sign(np.sum([w * t for w, t in zip(weights, terms, strict=True)], axis=0))
    sign[sign == 0] = zero
    agree = [(np.sign(term) == sign) * w for w, term in zip(weights, terms, strict=True)]
    total = np.sum([a * t for a, t in zip(agree, terms, strict=True)], axis=0)
    return np.asarray(total / np.maximum(np.sum(agree, axis=0), 1e-300))


@several
@given(cases(), weights_of)
def test_weighted_is_the_weighted_mean(case: Case, weights: list[float]) -> None:
    weights = weights[: len(case.heads)]
    terms = [w * x / sum(weights) for w, x in zip(weights, arrays(case.heads), strict=True)]
    merged = merge_tensors("weighted", case.heads, weights=weights)
    assert_close(merged, np.sum(terms, axis=0), terms)


@several
@given(st.integers(0, 2**32), st.sampled_from(["bf16", "fp16"]), st.integers(2, 5))
def test_an_average_of_like_signs_is_rounded_once(seed: int, stored: str, heads: int) -> None:
    """Where nothing cancels, fp32 is exact enough for the nearest 16-bit float, or the other one beside a tie."""
    rng = np.random.default_rng(seed)
    dtype = STORED[stored]
    tensors = [torch.from_numpy(rng.uniform(0.5, 2, 200)).to(dtype) for _ in range(heads)]
    truth = np.mean(arrays(tensors), axis=0)
    error = np.abs(merge_tensors("average", tensors).double().numpy() - truth)
    assert np.all(error <= 0.5001 * ulp(truth, dtype))


@several
@given(cases(), weights_of, st.floats(-2, 2), st.booleans())
def test_task_arithmetic_adds_weighted_task_vectors(
    case: Case, weights: list[float], scale: float, normalize: bool
) -> None:
    weights = weights[: len(case.heads)]
    base, *heads = arrays([case.base, *case.heads])
    by = scale / (sum(weights) if normalize else 1)
    terms = [by * w * (head - base) for w, head in zip(weights, heads, strict=True)]
    merged = merge_tensors("task-arithmetic", case.heads, case.base, weights, lambda_=scale, normalize=normalize)
    assert_close(merged, base + np.sum(terms, axis=0), [base, *terms])


@several
@given(cases(), densities, st.floats(-2, 2), st.sampled_from(["positive", "majority"]))
def test_ties(case: Case, density: float, scale: float, zero_sign: str) -> None:
    base, *heads = arrays([case.base, *case.heads])
    count = max(1, math.floor(density * len(base)))
    terms = [trimmed(head - base, count) for head in heads]
    balance = np.sign(np.sum(terms, axis=0)).sum()
    zero = 1.0 if zero_sign == "positive" or balance > 0 else -1.0
    change = scale * agreeing_mean(terms, [1.0] * len(terms), zero)
    merged = merge_tensors("ties", case.heads, case.base, density=density, lambda_=scale, zero_sign=zero_sign)
    assert_close(merged, base + change, [base, *terms, change])


@several
@given(cases(most=2), densities, weights_of)
def test_weighted_ties(case: Case, density: float, weights: list[float]) -> None:
    weights = weights[: len(case.heads)]
    base, *heads = arrays([case.base, *case.heads])
    terms = [trimmed(head - base, max(1, math.floor(density * len(base)))) for head in heads]
    rounded = [float(np.float32(w)) if case.base.dtype != torch.float64 else w for w in weights]
    products = [
        (np.float32(w) * t.astype(np.float32)).astype(np.float64) if case.base.dtype != torch.float64 else w * t
        for w, t in zip(weights, terms, strict=True)
    ]
    truth = agreeing_mean([p / w for p, w in zip(products, rounded, strict=True)], rounded)
    merged = merge_tensors("ties", case.heads, case.base, weights, density=density)
    assert_close(merged, base + truth, [base, *terms, *products])


@several
@given(cases(), densities, st.floats(0, 0.99), weights_of)
def test_breadcrumbs(case: Case, density: float, gamma: float, weights: list[float]) -> None:
    weights = weights[: len(case.heads)]
    base, *heads = arrays([case.base, *case.heads])
    skip, count = math.floor(gamma * len(base)), math.floor(density * len(base))
    terms = [w * trimmed(head - base, count, skip=skip) for w, head in zip(weights, heads, strict=True)]
    merged = merge_tensors("breadcrumbs", case.heads, case.base, weights, density=density, gamma=gamma)
    assert_close(merged, base + np.sum(terms, axis=0), [base, *terms])


@several
@given(cases(most=2, dtypes=NARROW), st.floats(0, 1))
def test_slerp(case: Case, t: float) -> None:
    x, y = arrays(case.heads)
    length = np.linalg.norm(x) * np.linalg.norm(y)
    cosine = np.dot(x, y) / length if length else 1.0
    if abs(abs(cosine) - 0.9995) < 1e-9:
        return
    angle = np.arccos(np.clip(cosine, -1, 1))
    a, b = (np.sin((1 - t) * angle), np.sin(t * angle)) / np.sin(angle) if abs(cosine) < 0.9995 else (1 - t, t)
    assert_close(merge_tensors("slerp", case.heads, t=t), a * x + b * y, [a * x, b * y])


@several
@given(cases(dtypes=NARROW))
def test_model_stock(case: Case) -> None:
    base, *heads = arrays([case.base, *case.heads])
    changes = [head - base for head in heads]
    count = len(changes)
    cosines = []
    for i in range(count):
        for j in range(i):
            length = np.linalg.norm(changes[i]) * np.linalg.norm(changes[j])
            cosines.append(np.dot(changes[i], changes[j]) / length if length else 0.0)
    c = float(np.mean(cosines))
    if 1 + (count - 1) * c < 1e-5:
        return
    t = count * c / (1 + (count - 1) * c)
    mean = np.mean(changes, axis=0)
    merged = merge_tensors("model-stock", case.heads, case.base)
    assert_close(merged, base + t * mean, [base, *(t * change for change in changes), t * mean])


@several
@given(cases(dtypes=NARROW), st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.floats(0.1, 10))
def test_smear(case: Case, logits: list[float], temperature: float) -> None:
    logits = logits[: len(case.heads)]
    powers = np.exp(np.array(logits) / temperature)
    terms = [w * x for w, x in zip(powers / powers.sum(), arrays(case.heads), strict=True)]
    merged = merge_tensors("smear", case.heads, logits={"*": logits}, temperature=temperature)
    assert_close(merged, np.sum(terms, axis=0), terms)


@pytest.mark.parametrize("strategy", ["dare", "dare-ties"])
@pytest.mark.parametrize("stored", STORED)
def test_dare_of_density_1_keeps_everything(strategy: str, stored: str) -> None:
    generator = torch.Generator().manual_seed(0)
    base, a, b = (torch.randn(100, generator=generator).to(STORED[stored]) for _ in range(3))
    dense = {"dare": "task-arithmetic", "dare-ties": "ties"}[strategy]
    rest: dict[str, Any] = {"density": 1.0} if dense == "ties" else {}
    expected = merge_tensors(dense, [a, b], base, **rest)
    assert torch.equal(merge_tensors(strategy, [a, b], base, density=1.0), expected)
