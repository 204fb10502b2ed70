"""The same arrays in each array library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from git_theta.tensors.array_library import ArrayLibrary
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.torch_library import TorchLibrary

LIBRARIES: dict[str, ArrayLibrary] = {"numpy": NUMPY, "torch": TorchLibrary()}
FROM_NUMPY: dict[str, Callable[[Any], Any]] = {"numpy": np.asarray, "torch": torch.from_numpy}
"""A numpy array as one of the library."""
