"""The contact sheets: one file a part of the world and one of crops, equal for equal seeds."""

import cv2
import numpy as np

from models.render import contact_sheet
from models.render.catalogue import DESIGNS


def test_the_command_writes_every_sheet_as_a_readable_picture(tmp_path, capsys):
    contact_sheet.main([str(tmp_path / "new"), "--seed", "2", "--crops", "20"])
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == [
        "plate-crops.jpg",
        "plates-elsewhere.jpg",
        "plates-europe.jpg",
        "plates-north-america.jpg",
    ]
    said = capsys.readouterr().out
    assert all(name in said for name in written)
    assert all(cv2.imread(str(tmp_path / "new" / name)) is not None for name in written)


def test_the_sheets_hold_every_design_once():
    sheets = dict(contact_sheet.sheets(seed=1, crops=10))
    width, height = contact_sheet._CELL_PX
    cells = sum(
        (sheet.shape[0] // height) * (sheet.shape[1] // width)
        for name, sheet in sheets.items()
        if "crops" not in name
    )
    assert cells >= len(DESIGNS) > cells - 30


def test_equal_seeds_give_equal_sheets():
    one, again = (contact_sheet.crops_sheet(10, seed=3, harm=1.0) for _ in range(2))
    np.testing.assert_array_equal(one, again)
