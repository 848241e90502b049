"""Reads a handwritten digit: drawn, photographed, or given as its 64 pixels."""

from __future__ import annotations

from typing import List, Optional

import numpy as np
from PIL import Image as Pillow
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier

import onstage as on

# The data: 1,797 digits of 8 × 8 pixels, written by 43 people. The last 500 are held out: they are in `heldout.csv`.
HELD_OUT = 500
SIDE = 8
INK_MAX = 16.0


@on.setup
def forest():
    """A forest of randomised trees, trained in about a second on the digits that are not held out."""
    data = load_digits()
    model = ExtraTreesClassifier(n_estimators=300, random_state=0)
    return model.fit(data.data[:-HELD_OUT], data.target[:-HELD_OUT])


def ink_of(image: on.Image) -> np.ndarray:
    """How dark each pixel is, 0 for paper to 1 for ink, whatever colour the paper has. Shape (height, width)."""
    try:
        picture = image.pil().convert("RGBA")
    except OSError:
        raise on.UserError("this file is not a picture that can be read", field="image") from None
    paper = Pillow.new("RGBA", picture.size, "white")
    grey = np.asarray(Pillow.alpha_composite(paper, picture).convert("L"), dtype=float) / 255.0
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 1.0 - grey if np.median(border) > 0.5 else grey


def pixels_of(image: on.Image) -> np.ndarray:
    """The digit as the data has it: cut out, centred, 8 × 8, ink from 0 to 16. Shape (64,)."""
    ink = ink_of(image)
    rows, columns = np.nonzero(ink > 0.3 * max(ink.max(), 1e-9))
    if ink.max() < 0.1 or len(rows) == 0:
        raise on.UserError("there is nothing on the picture; draw a digit", field="image")
    cut = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = cut.shape
    side = max(height, width)
    square = np.zeros((side, side))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = cut
    small = Pillow.fromarray((square * 255).astype("uint8")).resize((SIDE, SIDE), Pillow.Resampling.BOX)
    shrunk = np.asarray(small, dtype=float)
    return (shrunk / max(shrunk.max(), 1.0) * INK_MAX).reshape(-1)


def row_pixels(row: dict) -> np.ndarray:
    if row.get("pixels") is not None:
        pixels = np.asarray(row["pixels"], dtype=float)
        if pixels.shape != (SIDE * SIDE,):
            raise on.UserError(f"a digit has 64 pixels, these are {pixels.size}", field="pixels")
        return pixels
    if row.get("image") is not None:
        return pixels_of(row["image"])
    raise on.UserError("give an image or 64 pixels", field="image")


def scores(shares: np.ndarray) -> dict:
    return {str(digit): float(share) for digit, share in enumerate(shares)}


@on.predict
def read(
    image: Optional[on.Image] = on.Input("Draw a digit, drop a photo of one, or take a sample", default=None),
    pixels: Optional[List[float]] = on.Input("64 pixels, row by row, 0 for paper to 16 for ink", default=None),
    *,
    forest,
) -> on.Scores:
    """Which digit is this?

    A forest of randomised trees, trained on 1,297 handwritten digits. Give it a picture, or a table
    with 64 pixels in each row. It has never seen the 500 digits of `heldout.csv`.
    """
    row = {"image": image, "pixels": pixels}
    return scores(forest.predict_proba(row_pixels(row).reshape(1, -1))[0])


@read.many(max=256)
def _(rows, *, forest):
    answers, good = [], []
    for row in rows:
        try:
            good.append(row_pixels(row))
            answers.append(None)
        except on.UserError as error:
            answers.append(error)
    if good:
        shares = iter(forest.predict_proba(np.array(good)))
        answers = [scores(next(shares)) if answer is None else answer for answer in answers]
    return answers
