"""Adapters that PEFT itself makes here and now: merged by us as PEFT merges them, to the byte, and exported to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.adapters import MODEL, status
from tests.sandbox import Sandbox, track_and_commit

torch = pytest.importorskip("torch", reason="torch is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason="PEFT needs transformers, which are not installed")
    peft = pytest.importorskip("peft", reason="PEFT is not installed")
safetensors = pytest.importorskip("safetensors.torch")

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]
DTYPES = ("float32", "bfloat16", "float16")


class Convolutions(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """Convolutions of one and two dimensions, of windows of one element and of several."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = torch.nn.Conv2d(6, 10, (3, 5))
        self.narrow = torch.nn.Conv2d(10, 8, 1)
        self.line = torch.nn.Conv1d(8, 12, 3)


def make_llama() -> Any:
    config = transformers.LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=100,
        attention_bias=True,
        tie_word_embeddings=False,
    )
    return transformers.LlamaForCausalLM(config)


def make_gpt2() -> Any:
    """Layers that store fan-in first, square ones among them."""
    return transformers.GPT2Model(transformers.GPT2Config(n_embd=48, n_layer=1, n_head=4, vocab_size=64, n_positions=8))


def lora(*targets: str, **given: Any) -> Any:
    return peft.LoraConfig(r=given.pop("r", 4), target_modules=list(targets), **given)


CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "patterns": (
        make_llama,
        lambda: lora(
            "q_proj",
            "v_proj",
            "embed_tokens",
            lora_alpha=6,
            use_rslora=True,
            rank_pattern={"v_proj": 2},
            alpha_pattern={r"layers\.1\.self_attn\.q_proj": 9},
            modules_to_save=["lm_head"],
            bias="all",
        ),
        "low-rank",
    ),
    "biases": (make_llama, lambda: lora("q_proj", "o_proj", lora_bias=True, lora_alpha=7, r=16), "low-rank"),
    "fan in": (make_gpt2, lambda: lora("c_attn", "c_proj", "c_fc", fan_in_fan_out=True, lora_alpha=5), "low-rank"),
    "windows": (Convolutions, lambda: lora("wide", "narrow", "line", lora_alpha=3), "low-rank"),
    "ia3": (
        make_llama,
        lambda: peft.IA3Config(
            target_modules=["k_proj", "v_proj", "down_proj"],
            feedforward_modules=["down_proj"],
            modules_to_save=["model.norm"],
        ),
        "scale",
    ),
    "ia3 fan in": (
        make_gpt2,
        lambda: peft.IA3Config(
            target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True
        ),
        "scale",
    ),
    "ia3 windows": (
        Convolutions,
        lambda: peft.IA3Config(target_modules=["wide", "narrow"], feedforward_modules=["narrow"]),
        "scale",
    ),
}


def make_model(make: Callable[[], Any], dtype: str) -> Any:
    torch.manual_seed(0)
    return make().to(getattr(torch, dtype))


def save_bytes(state: Mapping[str, Any]) -> bytes:
    data: bytes = safetensors.save({name: tensor.contiguous() for name, tensor in state.items()}, {"format": "pt"})
    return data


def save_trained(model: Any, config: Any, folder: Path) -> None:
    """An adapter whose numbers are as if it had been trained."""
    adapted = peft.get_peft_model(model, config)
    torch.manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            around = 1 if "ia3" in name else 0
            parameter.data = (around + 0.05 * torch.randn(parameter.shape)).to(parameter.dtype)
    adapted.save_pretrained(folder)


def merge(model: Any, folder: Path) -> Any:
    return peft.PeftModel.from_pretrained(model, folder).merge_and_unload()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_those_of_merge_and_unload(sandbox: Sandbox, tmp_path: Path, case: str, dtype: str) -> None:
    make, configure, kind = CASES[case]
    save_trained(make_model(make, dtype), configure(), tmp_path / "adapter")
    track_and_commit(sandbox, {MODEL: save_bytes(make_model(make, dtype).state_dict())})
    sandbox.theta("add", MODEL, "--update", kind, "--from", tmp_path / "adapter")
    assert sandbox.read(MODEL) == save_bytes(merge(make_model(make, dtype), tmp_path / "adapter").state_dict())
    assert status(sandbox) == f"M  {MODEL}\n"


@pytest.mark.parametrize(("make", "dtype"), [(make_llama, "float32"), (make_llama, "bfloat16"), (make_gpt2, "float32")])
def test_peft_loads_what_is_exported_and_merges_what_we_merge(
    sandbox: Sandbox, tmp_path: Path, make: Callable[[], Any], dtype: str
) -> None:
    turned = ["--fan-in-fan-out"] if make is make_gpt2 else []
    model = make_model(make, dtype)
    track_and_commit(sandbox, {MODEL: save_bytes(model.state_dict())})
    torch.manual_seed(2)
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 2 and ("attn" in name or "mlp" in name):
            tensor += (0.01 * torch.randn(len(tensor), 3) @ torch.randn(3, tensor.shape[1])).to(tensor.dtype)
        elif "embed" in name or "norm" in name or "wte" in name or name.endswith("bias"):
            tensor += 0.125
    sandbox.write(MODEL, save_bytes(model.state_dict()))
    sandbox.commit()
    command = ["export-update", "HEAD^", "HEAD", "--rank", "3", *turned, "-o", str(tmp_path / "adapter"), "--", MODEL]
    assert "whole" in sandbox.theta(*command).stdout
    sandbox.git("checkout", "--quiet", "HEAD^")
    merged = save_bytes(merge(make_model(make, dtype), tmp_path / "adapter").state_dict())
    sandbox.theta("add", MODEL, "--update", "low-rank", "--from", tmp_path / "adapter")
    assert sandbox.read(MODEL) == merged
    found, wanted = safetensors.load(merged), model.state_dict()
    for name, tensor in wanted.items():
        assert torch.allclose(found[name], tensor, rtol=0, atol=1e-6 if dtype == "float32" else 4e-3), name
