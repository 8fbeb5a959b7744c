"""What `scripts/train.sh` can be told; and a first look at it, before the large packages are installed.

`python -m models.training.options ...` says what is wrong with these options or the place of the pictures.
It needs nothing but Python.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.training.plates_set import DataError, need
from models.training.results import TASKS

_DEFAULT_PLATES = Path(__file__).parents[3] / "shared" / "plates"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/train.sh", description=__doc__)
    parser.add_argument("--plates", type=Path, default=_DEFAULT_PLATES, help="the pictures: detect/ and ocr/")
    parser.add_argument("--work", type=Path, help="checkpoints and results; .train/ and the recipe's name")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--smoke", dest="recipe", action="store_const", const="smoke", default="full",
                       help="a drill of three minutes through all stages")  # fmt: skip
    scale.add_argument("--one-step", dest="recipe", action="store_const", const="one-step",
                       help="each stage once, in half a minute")  # fmt: skip
    parser.add_argument("--version", help="the end of the new models' names, like v1")
    for task in TASKS:
        parser.add_argument(f"--{task}", type=Path, metavar="CHECKPOINT", help="take this one and train none")
        parser.add_argument(
            f"--{task}-log", type=Path, metavar="FILE", help="its lines of JSON, for the curve"
        )
    parser.add_argument("--input", type=_size, metavar="HEIGHTxWIDTH", help="of the detector, like 320x416")
    parser.add_argument(
        "--adopt", action="store_true", help="copy weights, manifests, cards and figures into the checkout"
    )
    options = parser.parse_args(arguments)
    if options.adopt and (options.recipe != "full" or not options.version):
        parser.error("--adopt needs --version, and weights that are no drill's")
    return options


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) % 32 == int(width) % 32 == 0):
        raise argparse.ArgumentTypeError(f"'{text}': write height and width like 320x416, by 32 divisible")
    return int(height), int(width)


def main() -> int:
    try:
        need(parse().plates.absolute())
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
