"""Letters and signs as small grey images, drawn by hand and shaken a little: each is another one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 16
"""Pixels of an image's edge."""

Images = NDArray[np.float32]
"""Of shape (images, SIDE, SIDE), 0 to 1."""

_CANVAS, _MARGIN = 48, 6
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def draw_glyphs(
    characters: Sequence[str], fonts: Sequence[str], random: np.random.Generator, shake: float, noise: float
) -> Images:
    """Each character in one of the fonts.

    Args:
        characters: one per image.
        fonts: names of matplotlib's own; one is drawn for each image. Of one per character, each has its own.
        random: where chance comes from.
        shake: how much is turned, slanted, scaled and moved; 1 is a careful hand.
        noise: standard deviation of what is added to each pixel.
    """
    each = fonts if len(fonts) == len(characters) else random.choice(fonts, len(characters)).tolist()
    drawn = [
        _shake_image(_draw_character(character, _load_font(font, int(random.integers(26, 36)))), random, shake)
        for character, font in zip(characters, each, strict=True)
    ]
    images = np.stack([shrink_image(image) for image in drawn])
    return np.clip(images + random.normal(0, noise, images.shape), 0, 1).astype(np.float32)


def shrink_image(image: Image.Image) -> Images:
    """The image with SIDE pixels a side, 0 to 1."""
    how = Image.Resampling.BOX if image.height > SIDE else Image.Resampling.BILINEAR
    return np.asarray(image.resize((SIDE, SIDE), how), dtype=np.float32) / np.float32(255)


@cache
def _load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONTS / f"{name}.ttf", size)


def _draw_character(character: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """White on black, in the middle."""
    image = Image.new("L", (_CANVAS, _CANVAS))
    canvas = ImageDraw.Draw(image)
    left, top, right, bottom = canvas.textbbox((0, 0), character, font=font)
    canvas.text(((_CANVAS - left - right) / 2, (_CANVAS - top - bottom) / 2), character, font=font, fill=255)
    return image


def _shake_image(image: Image.Image, random: np.random.Generator, shake: float) -> Image.Image:
    turn, slant, scale = np.deg2rad(random.normal(0, 8 * shake)), random.normal(0, 0.12 * shake), 1.0
    scale += random.normal(0, 0.08 * shake)
    right, down = random.normal(0, 1.5 * shake, 2)
    cos, sin, middle = np.cos(turn) / scale, np.sin(turn) / scale, _CANVAS / 2
    across, along = (cos, sin + slant), (-sin, cos)
    matrix = (
        *across, middle * (1 - sum(across)) + right,
        *along, middle * (1 - sum(along)) + down,
    )  # fmt: skip
    turned = image.transform((_CANVAS, _CANVAS), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return turned.crop((_MARGIN, _MARGIN, _CANVAS - _MARGIN, _CANVAS - _MARGIN))
