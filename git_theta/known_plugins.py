"""The plug-ins that we know by name: what ships with us, and what is developed with us in packages of its own.

Declared as data, and importing nothing: so that nobody waits for a scan of the installed packages, what pyproject.toml
declares is repeated here (a test holds the two together).
"""

from __future__ import annotations

from typing import Literal

PluginFamily = Literal[
    "formats", "updates", "serializers", "stores", "transports", "merges", "measures", "evaluators", "commands"
]

KINDS: dict[PluginFamily, str] = {
    "formats": "format",
    "updates": "update",
    "serializers": "serializer",
    "stores": "store",
    "transports": "transport",
    "merges": "strategy",
    "measures": "measure",
    "evaluators": "evaluator",
    "commands": "command",
}
"""What one plug-in of a family is called."""

KNOWN_PACKAGES: dict[PluginFamily, dict[str, str]] = {
    "formats": {"gguf": "git-theta-gguf", "numpy": "git-theta-numpy"},
    "serializers": {"pcodec": "git-theta-pcodec"},
    "merges": {"fisher": "git-theta-fisher", "regmean": "git-theta-fisher"},
    "evaluators": {"lm-eval": "git-theta-lm-eval", "longtail": "git-theta-longtail"},
    "commands": {
        "fisher": "git-theta-fisher",
        "flad": "git-theta-flad",
        "gram": "git-theta-fisher",
        "longtail": "git-theta-longtail",
        "npeff": "git-theta-npeff",
    },
    "stores": {"sqlite": "git-theta-sqlite"},
    "transports": {"webdav": "git-theta-webdav", "webdavs": "git-theta-webdav"},
}
"""Plug-ins that are developed with us, and the packages that bring them: what we may tell people to install.

No other name is ever completed to a package: whoever wrote a manifest would choose what a stranger installs (L10)."""

BUILT_IN: dict[PluginFamily, dict[str, str]] = {
    "formats": {
        "safetensors": "git_theta.formats.safetensors.safetensors_format:SafetensorsFormat",
        "torch": "git_theta.formats.torch.torch_format:TorchZipFormat",
        "torch-legacy": "git_theta.formats.torch.torch_legacy:LegacyTorchFormat",
        "pt2": "git_theta.formats.torch.pt2_format:Pt2Format",
        "distcp": "git_theta.formats.torch.distcp_format:DistcpFormat",
        "nemo": "git_theta.formats.tar.nemo_format:NemoFormat",
        "pickle": "git_theta.formats.pickle.pickle_format:PickleFormat",
        "onnx": "git_theta.formats.onnx.onnx_format:OnnxFormat",
        "hdf5": "git_theta.formats.hdf5.hdf5_format:Hdf5Format",
        "keras": "git_theta.formats.hdf5.keras_format:KerasFormat",
        "flax": "git_theta.formats.flax.flax_format:FlaxFormat",
        "opaque": "git_theta.formats.opaque:OpaqueFormat",
    },
    "updates": {
        "dense": "git_theta.updates.dense:DenseUpdate",
        "low-rank": "git_theta.updates.low_rank.low_rank_update:LowRankUpdate",
        "scale": "git_theta.updates.low_rank.scale_update:ScaleUpdate",
        "delta": "git_theta.updates.delta.delta_update:DeltaUpdate",
    },
    "serializers": {
        "raw": "git_theta.serializers.raw:RawSerializer",
        "planes": "git_theta.serializers.planes:PlanesSerializer",
        "frames": "git_theta.serializers.frames:FramesSerializer",
        "msgpack": "git_theta.serializers.msgpack:MsgpackSerializer",
    },
    "stores": {
        "local": "git_theta.store.local:LocalStore",
        "memory": "git_theta.store.memory:MemoryStore",
    },
    "transports": {
        "s3": "git_theta.transport.bucket:S3Transport",
        "gs": "git_theta.transport.bucket:GoogleTransport",
        "az": "git_theta.transport.bucket:AzureTransport",
    },
    "merges": {
        "ours": "git_theta.merging.strategies.picks:OURS",
        "theirs": "git_theta.merging.strategies.picks:THEIRS",
        "base": "git_theta.merging.strategies.picks:BASE",
        "average": "git_theta.merging.strategies.means:AVERAGE",
        "weighted": "git_theta.merging.strategies.means:WEIGHTED",
        "largest": "git_theta.merging.strategies.largest:LARGEST",
        "adapter-svd": "git_theta.merging.strategies.adapter_svd:ADAPTER_SVD",
        "task-arithmetic": "git_theta.merging.strategies.task_vectors:TASK_ARITHMETIC",
        "ties": "git_theta.merging.strategies.task_vectors:TIES",
        "dare": "git_theta.merging.strategies.task_vectors:DARE",
        "dare-ties": "git_theta.merging.strategies.task_vectors:DARE_TIES",
        "breadcrumbs": "git_theta.merging.strategies.task_vectors:BREADCRUMBS",
        "slerp": "git_theta.merging.strategies.slerp:SLERP",
        "model-stock": "git_theta.merging.strategies.model_stock:MODEL_STOCK",
        "lines": "git_theta.merging.strategies.layer_scaling:LINES",
        "iso-c": "git_theta.merging.strategies.matrix_transforms:ISO_C",
        "tsv-m": "git_theta.merging.strategies.matrix_transforms:TSV_M",
        "wudi": "git_theta.merging.strategies.matrix_transforms:WUDI",
        "smear": "git_theta.merging.strategies.smear:SMEAR",
    },
    "measures": {
        "sign-flips": "git_theta.diffing.measures.sign_flips:SignFlips",
        "mean-absolute": "git_theta.diffing.measures.mean_absolute:MeanAbsolute",
    },
    "evaluators": {
        "command": "git_theta.evaluation.command_evaluator:CommandEvaluator",
        "server": "git_theta.evaluation.server_evaluator:ServerEvaluator",
    },
    "commands": {},
}
