"""An adapter's ``adapter_config.json``, as PEFT writes it: what it says of how the adapter is merged.

What it says and we do not know is refused by its name: it may be what makes the merge another one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from git_theta.errors import UsageError
from git_theta.operations.updating.time_limit import limit_time

CONFIG_FILE = "adapter_config.json"
LORA, IA3 = "LORA", "IA3"

_LARGEST = 16 << 20
_SECONDS_OF_MATCH = 2.0
"""A pattern needs microseconds. One with repeats in repeats needs, for each letter more, twice the time of before."""
_READ = {
    LORA: frozenset(
        [
            "r",
            "lora_alpha",
            "rank_pattern",
            "alpha_pattern",
            "use_rslora",
            "fan_in_fan_out",
            "init_lora_weights",
            "lora_bias",
        ]
    ),
    IA3: frozenset(["fan_in_fan_out", "feedforward_modules"]),
}
_NEVER_MATTERS = frozenset(
    (
        *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_type"),
        *("peft_version", "runtime_config", "megatron_core", "modules_to_save", "bias", "lora_dropout"),
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "qalora_group_size"),
        *("loftq_config", "eva_config", "corda_config", "init_ia3_weights"),
    )
)
"""What says where the adapter is, how it began or how it was trained: its arrays' names and values say the rest."""
_REFUSED = {
    "use_dora": "DoRA gives each row of the merged weight another length",
    "use_qalora": "QA-LoRA pools what it is given",
    "use_bdlora": "its factors are block-diagonal",
    "alora_invocation_tokens": "it acts on some tokens alone, so no weights are the same as it",
    "layer_replication": "it makes layers that the checkpoint has not",
    "trainable_token_indices": "it has rows of an embedding of its own",
    "target_parameters": "it has one product for several experts",
    "megatron_config": "its layers are Megatron's",
}
_INITS = ("True", "False", "None", "gaussian", "eva", "orthogonal")
"""Ways to begin that leave the base as it was. Others subtract from it what the adapter begins with, or are no LoRA."""
_HINT = "Merge it with PEFT (merge_and_unload), save the checkpoint, and: git add"


class PeftConfig:
    """What the file says.

    Attributes:
        kind: LORA or IA3.
        path: of the file.
    """

    def __init__(self, content: Mapping[str, Any], path: str) -> None:
        self.path = path
        self.kind = str(content.get("peft_type"))
        self._content = content

    def scaling_of(self, module: str, rank: int) -> float:
        """What the product of a module's factors is multiplied with. Raises UsageError where it has another rank."""
        wanted = self._take_by_pattern("rank_pattern", "r", module)
        if rank < 1:
            raise self._complain(f"the factors for {module} have rank {rank}, which is no update")
        if wanted != rank:
            raise self._complain(f"it says rank {wanted} for {module}, whose factors have rank {rank}")
        alpha = self._take_by_pattern("alpha_pattern", "lora_alpha", module)
        return alpha / (math.sqrt(rank) if self._content.get("use_rslora") else rank)

    @property
    def stores_fan_in_first(self) -> bool:
        """Whether layers store their weights as [in, out]."""
        return bool(self._content.get("fan_in_fan_out"))

    def is_feedforward(self, module: str) -> bool:
        """Whether an IA3 vector scales what a module is given, and not what it gives."""
        said = self._content.get("feedforward_modules") or []
        if isinstance(said, str):
            return bool(self._match(f"({said})$", module))
        if not isinstance(said, list):
            raise self._complain(f"feedforward_modules is {said!r}, and must be a list or a pattern")
        return any(module.endswith(str(ending)) for ending in said)

    def _take_by_pattern(self, patterns: str, default: str, module: str) -> float:
        said = self._content.get(patterns) or {}
        if not isinstance(said, dict):
            raise self._complain(f"{patterns} is no object")
        for pattern, value in said.items():
            if self._match(rf"(.*\.)?({pattern})$", module):
                return self._require_number(value, patterns)
        return self._require_number(self._content.get(default), default)

    def _require_number(self, value: object, key: str) -> float:
        with suppress(OverflowError):  # an integer that is beyond any float
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                return value
        raise self._complain(f"{key} is {value!r}, and must be a number")

    def _match(self, pattern: str, module: str) -> re.Match[str] | None:
        try:
            with limit_time(_SECONDS_OF_MATCH):
                return re.match(pattern, module)
        except TimeoutError:
            raise self._complain(f"{pattern!r} takes too long to be matched with {module}") from None
        except (re.error, OverflowError, RecursionError) as error:
            raise self._complain(f"{pattern!r} is no regular expression: {error}") from error

    def _complain(self, problem: str) -> UsageError:
        return UsageError(problem, hint="See what PEFT says of it: PeftConfig.from_pretrained.", path=self.path)


def read_config(folder: Path) -> PeftConfig:
    """What the adapter in a folder says of itself. Raises UsageError where it is none that we can merge."""
    file = folder / CONFIG_FILE
    content = _read_object(file)
    kind = content.get("peft_type")
    if not isinstance(kind, str) or kind not in _READ:
        raise UsageError(f"it is a {kind} adapter; LORA and IA3 are merged here", hint=_HINT, path=str(file))
    for key, value in content.items():
        if value and key not in _READ[kind] and key not in _NEVER_MATTERS:
            reason = _REFUSED.get(key, "which may change what comes of a merge, and is not known here")
            raise UsageError(f"{key} is set: {reason}", hint=_HINT, path=str(file))
    began = content.get("init_lora_weights")
    if str(began) not in _INITS:
        raise UsageError(
            f"init_lora_weights is {began!r}: the adapter may belong to a base that was changed before the training",
            hint="Save it for the base as it was: save_pretrained(path_initial_model_for_weight_conversion=...)",
            path=str(file),
        )
    return PeftConfig(content, str(file))


def _read_object(file: Path) -> dict[str, Any]:
    if file.exists() and not file.is_file():  # a pipe, a terminal, by a link too: whoever reads it may wait for ever
        raise UsageError("it is no regular file", hint="Save the adapter again.", path=str(file))
    try:
        with file.open("rb") as opened:
            content = json.loads(opened.read(_LARGEST))
    except OSError as error:
        raise UsageError(
            f"it cannot be read: {error.strerror}",
            hint=f"An adapter's folder has {CONFIG_FILE}; or name a file of arrays.",
            path=str(file),
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"it is no JSON: {error}", hint="Save the adapter again.", path=str(file)) from error
    if not isinstance(content, dict):
        raise UsageError("it is no JSON object", hint="Save the adapter again.", path=str(file))
    return content
