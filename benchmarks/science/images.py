"""Eight tasks on images of 16 x 16 pixels, and an alphabet to learn to see by."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.science.glyphs import Images, draw_glyphs, shrink_image
from benchmarks.science.packages import Packages
from benchmarks.science.tasks import Examples, Task, split_examples

Labelled = tuple[Images, NDArray[np.int64]]

_COUNT = 1_700
"""Images of a task."""
_SCRIPTS = ((0x0410, 0x0450), (0x0531, 0x0557), (0x0561, 0x0587), (0x2190, 0x21A0), (0x2200, 0x2230), (0x25A0, 0x25C0))
_PLAIN = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique")
_LATIN = "ABDEFGHIJKLMNPQRSTUVWXYZ"
_GREEK = "".join(map(chr, chain(range(0x3B1, 0x3C2), range(0x3C3, 0x3CA))))
_MIXED = "abcdefghjkmnopqrstuvwxyzABDEFGHKMNPQRSTUVW"
_LATIN_FONTS = ("cmr10", "STIXGeneral", "STIXGeneralItalic", "DejaVuSerif-Italic")
_GREEK_FONTS = ("DejaVuSerif", "STIXGeneral", "DejaVuSans")
_NAMED_FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "STIXGeneralItalic", "cmr10", "DejaVuSans-Bold")


def draw_alphabet(each: int) -> Examples:
    """Cyrillic, Armenian, arrows, operators and shapes, ``each`` of every sign: none of them is in a task."""
    random = np.random.default_rng(0)
    signs = [chr(code) for first, end in _SCRIPTS for code in range(first, end)]
    labels = np.repeat(np.arange(len(signs)), each)
    images = draw_glyphs([signs[label] for label in labels], _PLAIN, random, shake=1, noise=0.1)
    return Examples(*_to_tensors((images, labels)))


def make_image_tasks(packages: Packages) -> list[Task]:
    """The eight tasks: digits of two kinds, on photographs, turned; letters, Greek, fonts, photographs."""
    random = np.random.default_rng(0)
    pictures, digits = packages.read_mnist()
    order = random.permutation(len(digits))
    pictures, digits = pictures[order], digits[order]
    mnist = np.stack([shrink_image(_to_image(picture[2:26, 2:26])) for picture in pictures]), digits
    photos = packages.read_photos()
    made: dict[str, Callable[[], Labelled]] = {
        "mnist": lambda: _slice(mnist, 0),
        "mnist-photo": lambda: _put_on_photos(_slice(mnist, 1), photos, random),
        "rotation": lambda: _turn(_slice(mnist, 2)[0], random),
        "digits": lambda: _shuffle(_shrink_all(packages.read_digits()), random),
        "latin": lambda: _draw_letters(_LATIN, _LATIN_FONTS, random, shake=1.2),
        "greek": lambda: _draw_letters(_GREEK, _GREEK_FONTS, random, shake=1.5),
        "fonts": lambda: _draw_fonts(random),
        "photos": lambda: _cut_photos(photos, random),
    }
    return [split_examples(name, *_to_tensors(make())) for name, make in made.items()]


def _to_tensors(labelled: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    """fp32 from -1 to 1, and int64."""
    images, labels = labelled
    return torch.from_numpy(images * 2 - 1), torch.from_numpy(labels)


def _to_image(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint8))


def _slice(labelled: Labelled, which: int) -> Labelled:
    """The images of one of the tasks that share a source: no image is in two of them."""
    where = slice(which * _COUNT, (which + 1) * _COUNT)
    return labelled[0][where], labelled[1][where]


def _put_on_photos(labelled: Labelled, photos: list[Image.Image], random: np.random.Generator) -> Labelled:
    images, labels = labelled
    behind = np.stack([_cut_patch(photos[random.integers(len(photos))], random, 24, 49) for _ in labels])
    return np.maximum(0.75 * behind, images), labels


def _turn(images: Images, random: np.random.Generator) -> Labelled:
    """Images by none, one, two or three quarters; which is the label."""
    quarters = random.integers(0, 4, len(images))
    return np.stack([np.rot90(image, turns) for image, turns in zip(images, quarters, strict=True)]), quarters


def _shrink_all(labelled: tuple[NDArray[np.float32], NDArray[np.int64]]) -> Labelled:
    pictures, labels = labelled
    return np.stack([shrink_image(_to_image(picture * 15.9)) for picture in pictures]), labels


def _shuffle(labelled: Labelled, random: np.random.Generator) -> Labelled:
    order = random.permutation(len(labelled[1]))
    return labelled[0][order], labelled[1][order]


def _draw_letters(letters: str, fonts: tuple[str, ...], random: np.random.Generator, shake: float) -> Labelled:
    labels = random.integers(0, len(letters), _COUNT)
    return draw_glyphs([letters[label] for label in labels], fonts, random, shake, noise=0.2), labels


def _draw_fonts(random: np.random.Generator) -> Labelled:
    """Any letters; their font is the label."""
    labels = random.integers(0, len(_NAMED_FONTS), _COUNT)
    letters = [_MIXED[place] for place in random.integers(0, len(_MIXED), _COUNT)]
    return draw_glyphs(letters, [_NAMED_FONTS[label] for label in labels], random, shake=0.4, noise=0.03), labels


def _cut_photos(photos: list[Image.Image], random: np.random.Generator) -> Labelled:
    """Patches of photographs in one of four quarters each; which is the label."""
    quarters = [quarter for photo in photos for quarter in _quarter(photo)]
    labels = random.integers(0, len(quarters), _COUNT)
    return np.stack([_cut_patch(quarters[label], random, 20, 40) for label in labels]), labels


def _quarter(photo: Image.Image) -> list[Image.Image]:
    across, down = photo.width // 2, photo.height // 2
    return [
        photo.crop((left, top, left + across, top + down)) for left in (0, across) for top in (0, down)
    ]  # fmt: skip


def _cut_patch(photo: Image.Image, random: np.random.Generator, smallest: int, largest: int) -> Images:
    side = int(random.integers(smallest, largest))
    left, top = (int(random.integers(0, length - side)) for length in photo.size)
    return shrink_image(photo.crop((left, top, left + side, top + side)))
