"""Fine-tunes are trained once; pairs are made of them; adapters are merged by PEFT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="fine-tunes are made with torch, which is not installed")
from safetensors.torch import load_file  # noqa: E402

from benchmarks.storage import adapters, fine_tunes, pairs  # noqa: E402
from benchmarks.storage.fine_tunes import RUNS, Learning, average_file, moments_file, step_file, train_run  # noqa: E402
from demo.encoder import SPECIAL, Tokenizer  # noqa: E402
from demo.sentence_model import generate_model  # noqa: E402

WORDS = [f"{word}{number}" for number in range(16) for word in ("a", "b")]
WIDTH = 24


@pytest.fixture(autouse=True)
def short_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four steps, of which every second is kept; on one thread, as others would wait for each other."""
    for module, name, value in ((fine_tunes, "STEPS", 4), (fine_tunes, "EVERY", 2), (adapters, "_STEPS", 2)):
        monkeypatch.setattr(module, name, value)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def learning(tmp_path: Path) -> Learning:
    base = tmp_path / "base.safetensors"
    generate_model(base, len(SPECIAL) + len(WORDS), width=WIDTH)
    return Learning(base, [(f"a{number}", f"b{number}") for number in range(16)], Tokenizer([*SPECIAL, *WORDS]))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_leaves_weights_moments_and_averages_and_is_not_trained_again(
    tmp_path: Path, learning: Learning, run: fine_tunes.Run
) -> None:
    folder = train_run(tmp_path, run, learning)
    states = [load_file(step_file(folder, step)) for step in (0, 2, 4)]
    name = "encoder.layer.0.output.dense.weight"
    assert {state[name].dtype for state in states} == {run.dtype}
    assert not torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[1][name], states[2][name])
    assert load_file(moments_file(folder, 4))[f"{name}.exp_avg_sq"].any()
    assert load_file(average_file(folder, 4)).keys() == states[0].keys()
    before = step_file(folder, 4).stat().st_mtime_ns
    assert step_file(train_run(tmp_path, run, learning), 4).stat().st_mtime_ns == before


def test_other_settings_are_trained_anew(tmp_path: Path, learning: Learning, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = train_run(tmp_path, RUNS[0], learning)
    monkeypatch.setitem(fine_tunes._SETTINGS, "rate", 1)
    (folder / "left over").touch()
    assert not (train_run(tmp_path, RUNS[0], learning) / "left over").exists()


def test_what_people_do_to_a_model(tmp_path: Path, learning: Learning) -> None:
    state = load_file(learning.base)
    words = "embeddings.word_embeddings.weight"
    grown = pairs._grow(state)[words]
    assert torch.equal(grown[: len(state[words])], state[words])
    assert len(grown) == len(state[words]) + 64
    name = "encoder.layer.0.output.dense.weight"
    assert pairs._prune(state)[name].count_nonzero() == state[name].numel() // 2
    cast = load_file(pairs.write_cast(learning.base, tmp_path / "cast"))
    assert torch.equal(cast[name], state[name].bfloat16())
    matrices = load_file(pairs.cut_matrices(learning.base, tmp_path / "matrices"))
    assert set(matrices) == set(adapters._matrix_names(state))


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_is_merged_by_peft(tmp_path: Path, learning: Learning) -> None:
    if not adapters.can_merge():
        pytest.skip("PEFT is not installed")
    adapter = adapters.train_adapter(tmp_path, 2, learning)
    adapters.merge_adapter(learning.base, adapter, tmp_path / "merged")
    before, after = load_file(learning.base), load_file(tmp_path / "merged")
    factors, name = load_file(adapter / "adapter_model.safetensors"), "encoder.layer.0.output.dense"
    right, left = (factors[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    torch.testing.assert_close(after[f"{name}.weight"], before[f"{name}.weight"] + 2 * left @ right)
    assert torch.equal(after["embeddings.word_embeddings.weight"], before["embeddings.word_embeddings.weight"])
