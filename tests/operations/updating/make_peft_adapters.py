"""Makes ``peft_adapters/``: adapters that PEFT saved, and the checkpoints that it merged them into.

``python -m tests.operations.updating.make_peft_adapters`` in the repository's root, where peft and transformers are
installed. Factors are multiples of 1/16, so that every order of summation gives the same product: what other processors
merge has the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

FOLDER = Path(__file__).with_name("peft_adapters")
CONFIGS: dict[str, Any] = {
    "lora": peft.LoraConfig(
        r=4,
        lora_alpha=6,
        use_rslora=True,
        target_modules=["q_proj", "v_proj", "down_proj", "embed_tokens"],
        rank_pattern={"v_proj": 2},
        alpha_pattern={"self_attn.q_proj": 10},
        modules_to_save=["lm_head"],
        bias="lora_only",
    ),
    "ia3": peft.IA3Config(
        target_modules=["k_proj", "v_proj", "down_proj"],
        feedforward_modules=["down_proj"],
        modules_to_save=["model.norm"],
    ),
}


def make_base(dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=20,
        attention_bias=True,
        tie_word_embeddings=False,
    )
    model: Any = LlamaForCausalLM(config)
    return model.to(dtype)


def save_adapter(config: Any, folder: Path) -> None:
    torch.manual_seed(1)
    model = peft.get_peft_model(make_base(torch.float32), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randint(-16, 17, parameter.shape) / 16
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        folder.mkdir(parents=True)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(Path(scratch, name), folder / name)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, config in CONFIGS.items():
        save_adapter(config, FOLDER / name)
    for dtype in (torch.float32, torch.bfloat16):
        spelled = str(dtype).removeprefix("torch.")
        save_file(make_base(dtype).state_dict(), FOLDER / f"base-{spelled}.safetensors")
        for name in CONFIGS:
            merged = peft.PeftModel.from_pretrained(make_base(dtype), FOLDER / name).merge_and_unload()
            save_file(merged.state_dict(), FOLDER / f"{name}-{spelled}.safetensors")


if __name__ == "__main__":
    main()
