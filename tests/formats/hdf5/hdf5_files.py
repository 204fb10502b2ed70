"""HDF5 files and Keras archives: as h5py writes them, and two that Keras wrote."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

# By Keras 3.15.1 with torch: Sequential(Dense(4), BatchNormalization(), Dense(2)) on 8 inputs, compiled with Adam,
# fitted once, saved by model.save(PATH).
KERAS = Path(__file__).parent / "fixtures" / "keras-3.15.keras"
LEGACY = Path(__file__).parent / "fixtures" / "keras-3.15-legacy.h5"

WEIGHTS = np.arange(12, dtype="<f4").reshape(3, 4)
LIBVERS = ["earliest", "v108", "v110", "latest"]
"""From superblock 0 with symbol tables to superblock 3 with links as messages."""


def written(arrays: Mapping[str, NDArray[Any]], libver: str = "earliest", **kwargs: Any) -> bytes:
    """A file with a dataset per array; kwargs as h5py's ``create_dataset`` takes them."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **kwargs)
    return buffer.getvalue()


def compact(name: str, array: NDArray[Any], libver: str = "earliest") -> bytes:
    """A file whose dataset stands in its object header."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_layout(h5py.h5d.COMPACT)
        kind, space = h5py.h5t.py_create(array.dtype), h5py.h5s.create_simple(array.shape)
        made = h5py.h5d.create(file.id, name.encode(), kind, space, settings)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
        file.create_dataset("beside", data=WEIGHTS)
    return buffer.getvalue()


def archived(weights: bytes, method: int = zipfile.ZIP_STORED, date: str = "2026-11-29@10:06:05") -> bytes:
    """An archive as Keras writes it around its weights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        # As Keras, which has no time for these two; that of the weights is when they were written.
        archive.writestr(zipfile.ZipInfo("metadata.json"), f'{{"keras_version": "3.15.1", "date_saved": "{date}"}}')
        archive.writestr(zipfile.ZipInfo("config.json"), '{"class_name": "Sequential"}')
        info = zipfile.ZipInfo("model.weights.h5", (2026, 11, 29, 10, 6, int(date[-2:])))
        info.compress_type = method
        with archive.open(info, "w", force_zip64=True) as member:
            member.write(weights)
    return buffer.getvalue()
