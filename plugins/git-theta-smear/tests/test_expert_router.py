"""Routers against the paper's formulas, written plainly."""

from __future__ import annotations

import torch

from git_theta_smear.expert_router import ExpertRouter

EXPERTS, FEATURES, EXAMPLES = 5, 7, 1000


def make_router(dropout: float = 0.1) -> ExpertRouter:
    """One that prefers something, as after training."""
    torch.manual_seed(3)
    router = ExpertRouter(EXPERTS, FEATURES, dropout)
    with torch.no_grad():
        for parameter in router.parameters():
            parameter.normal_()
    return router


def norm_plainly(rows: torch.Tensor, layer: torch.nn.LayerNorm) -> torch.Tensor:
    centred = rows - rows.mean(1, keepdim=True)
    normed = centred / ((centred**2).mean(1, keepdim=True) + 1e-5).sqrt()
    return normed * layer.weight + layer.bias


def weigh_plainly(router: ExpertRouter, query: torch.Tensor) -> torch.Tensor:
    queries = norm_plainly(query, router.query_norm)
    vectors = norm_plainly(router.vectors, router.vector_norm)
    powers = torch.stack([torch.exp(queries @ vector) for vector in vectors], 1)
    return powers / powers.sum(1, keepdim=True)


def test_weights_are_a_softmax_of_normalised_products() -> None:
    router, query = make_router().eval(), torch.randn(EXAMPLES, FEATURES)
    torch.testing.assert_close(router(query), weigh_plainly(router, query))


def test_a_new_router_weighs_all_experts_nearly_alike() -> None:
    weights = ExpertRouter(4, 768, 0.1).eval()(torch.randn(EXAMPLES, 768))
    assert (weights - 0.25).abs().mean() < 0.08
    assert weights.max() < 0.6


def test_dropout_leaves_out_a_tenth_in_training_and_the_rest_is_divided_by_its_sum() -> None:
    router, query = make_router(), torch.randn(EXAMPLES, FEATURES)
    weights, whole = router(query), weigh_plainly(router, query)
    dropped = weights < whole / 1e5
    assert 0.08 < dropped.float().mean() < 0.12
    kept = torch.where(dropped, 0, whole)
    some = ~dropped.all(1)
    torch.testing.assert_close(weights[some], (kept / kept.sum(1, keepdim=True))[some], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(weights.sum(1), torch.ones(EXAMPLES))


def test_where_all_are_dropped_all_count_alike() -> None:
    assert make_router(dropout=1.0)(torch.randn(2, FEATURES)).tolist() == [[torch.tensor(0.2).item()] * EXPERTS] * 2


def test_queries_of_half_precision_are_routed_in_fp32() -> None:
    router, query = make_router().eval(), torch.randn(3, FEATURES).bfloat16()
    assert torch.equal(router(query), router(query.float()))
