"""Writes the sample pictures and the held-out table from scikit-learn's digits. Run once; the results are committed."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
HELD_OUT = 500
SAMPLES = (0, 3, 4, 7)


def main() -> None:
    data = load_digits()
    pixels, labels = data.data[-HELD_OUT:], data.target[-HELD_OUT:]
    with (HERE / "heldout.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["pixels", "digit"])
        for row, label in zip(pixels, labels):
            table.writerow([json.dumps([int(value) for value in row], separators=(",", ":")), label])
    with (HERE / "pictures.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["image", "digit"], *([f"{one}.png", one] for one in SAMPLES)])
    for digit in SAMPLES:
        place = int(np.flatnonzero(labels == digit)[1])
        picture = 255 - (pixels[place].reshape(8, 8) / 16 * 255).astype("uint8")
        framed = np.pad(picture, 2, constant_values=255)
        Image.fromarray(framed).resize((192, 192), Image.Resampling.BICUBIC).save(
            HERE / "examples" / f"{digit}.png", optimize=True
        )
        example = {"input": {"image": f"@{digit}.png"}}
        (HERE / "examples" / f"a-{digit}.json").write_text(json.dumps(example) + "\n")


if __name__ == "__main__":
    main()
