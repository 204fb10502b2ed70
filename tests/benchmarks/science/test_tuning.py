"""Models are tuned and scored; strategies are tried on them; the order of what comes out is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.science.bench import Bench, prepare_bench
from benchmarks.science.contestants import AVERAGE, CONTESTANTS, TIES_CHOSEN, TSV_M, WUDI, Contestant, merge_best
from benchmarks.science.report import SINGLE, TEXT, VISION, BenchResults, Result, find_disorder
from benchmarks.science.sentences import encode_sentences
from benchmarks.science.tasks import Task, split_examples
from benchmarks.science.training import Learner
from benchmarks.science.vision import encode_images, learn_to_see
from demo.encoder import LAYERS, Tokenizer, embed_texts, embed_tokens, run_layers
from demo.sentence_model import generate_model
from demo.training import read_checkpoint


def _project(state: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    return inputs @ state["weight"].T


@pytest.fixture
def bench() -> Bench:
    """Points around three corners, seen by a matrix that does not tell them apart well."""
    random = torch.Generator().manual_seed(0)
    tasks = [_make_task(name, random) for name in ("left", "right")]
    base = {"weight": torch.randn(4, 6, generator=random) * 0.1 + 1}
    return prepare_bench("points", Learner(_project, rate=0.02, batch=16), base, tasks)


def _make_task(name: str, random: torch.Generator) -> Task:
    corners = torch.randn(3, 6, generator=random)
    labels = torch.randint(3, (200,), generator=random)
    return split_examples(name, corners[labels] + 0.5 * torch.randn(200, 6, generator=random), labels)


def test_a_head_is_better_at_its_task_than_the_base(bench: Bench) -> None:
    """And the base stays as it is."""
    before = bench.base["weight"].clone()
    heads = list(bench.tune_heads(60, seed=0))
    for head, task in zip(heads, bench.tasks, strict=True):
        assert bench.score_task(head, task) > bench.score_task(bench.base, task)
    assert torch.equal(bench.base["weight"], before)


def test_a_seed_says_what_a_head_becomes(bench: Bench) -> None:
    """The same again, and another for another seed."""
    first, again, other = (next(bench.tune_heads(5, seed))["weight"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_settings_are_chosen_by_the_examples_to_choose_by(bench: Bench) -> None:
    """What is chosen is as good there as the best of the grid."""
    heads = list(bench.tune_heads(60, seed=0))
    contestant = Contestant("task-arithmetic", {"lambda_": (0.0, 0.5, 8.0)})
    alone = [
        sum(bench.score(merge_best(bench, heads, Contestant("task-arithmetic", {"lambda_": (value,)})), choosing=True))
        for value in contestant.grid["lambda_"]
    ]
    assert sum(bench.score(merge_best(bench, heads, contestant), choosing=True)) == max(alone)
    assert len(set(alone)) > 1


def test_contestants_are_told_apart_by_their_names() -> None:
    """As the command line spells options."""
    names = [contestant.name() for contestant in CONTESTANTS]
    assert len(set(names)) == len(names)
    assert "task-arithmetic, lambda 0.3" in names
    assert "ties, density and lambda chosen" in names


def test_the_model_of_images_sees_each_patch_at_its_place() -> None:
    """Another order of patches is another image; it learns, too."""
    alphabet = split_examples("signs", torch.rand(40, 16, 16) * 2 - 1, torch.arange(40) % 4).train
    state = learn_to_see(alphabet, steps=3)
    features = encode_images(state, alphabet.inputs)
    assert features.shape == (len(alphabet.labels), 96)
    assert not torch.allclose(features, encode_images(state, alphabet.inputs.flip(1)))
    assert "signs" not in state


def test_both_halves_of_the_encoder_are_the_encoder(tmp_path: Path) -> None:
    """The upper one reads what the lower one left, and tokens of padding count nowhere."""
    generate_model(tmp_path / "model.safetensors", 7, width=24)
    state = read_checkpoint(tmp_path / "model.safetensors")
    ids = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"])(["a b c", "b"])
    real, half = ids != 0, range(LAYERS // 2)
    lower = run_layers(state, embed_tokens(state, ids), real, half)
    upper = {
        name: value
        for name, value in state.items()
        if name.startswith(("encoder.layer.3", "encoder.layer.4", "encoder.layer.5"))
    }
    seen = encode_sentences(upper, torch.cat([lower, real[..., None].float()], -1))
    assert torch.allclose(seen, embed_texts(state, ids), atol=1e-6)


def _results(bench: str, **scores: float) -> BenchResults:
    names = {"average": AVERAGE, "wudi": WUDI, "tsv": TSV_M, "ties": TIES_CHOSEN}
    found = [
        Result(names[key].name(), [[score, score], [score + 2, score]], [0.5, 1.5]) for key, score in scores.items()
    ]
    return BenchResults(bench, ["one", "two"], [Result(SINGLE, [[80, 80], [80, 80]]), *found])


def test_the_promised_order_is_no_disorder() -> None:
    """On text ties may be ahead."""
    vision = _results(VISION, average=47, wudi=52, tsv=53, ties=49)
    assert list(find_disorder([vision, _results(TEXT, average=73, wudi=78, tsv=79, ties=80)])) == []


def test_what_stands_in_another_order_is_named_with_its_scores() -> None:
    """Each pair by itself; equal is not ahead."""
    found = list(find_disorder([_results(VISION, average=53, wudi=53, tsv=54, ties=50)]))
    assert found == ["vision: average (53.5) is not behind wudi (53.5)"]


def test_the_table_tells_deviation_and_share_of_single_heads() -> None:
    """Means over seeds, and each task's."""
    lines = _results(VISION, average=40).render().splitlines()
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == ["average", "40.5 ± 0.7", "51", "1.0", "41", "40"]
