"""The bundled fonts are what their licence file says."""

import pytest

from models.render.lettering import FONTS, font_names

_OPEN_FONT_LICENSE = ("scripts.sil.org/OFL", "openfontlicense.org")
_NOTICES = (FONTS / "OFL.txt").read_text()


def _says(font: bytes, words: str) -> bool:
    """Whether the name table holds the words, in either of its encodings."""
    return words.encode("utf-16-be") in font or words.encode("latin-1") in font


@pytest.mark.parametrize("name", font_names())
def test_a_bundled_font_says_itself_that_it_is_under_the_open_font_license(name: str) -> None:
    font = (FONTS / f"{name}.ttf").read_bytes()
    assert any(_says(font, address) for address in _OPEN_FONT_LICENSE)


@pytest.mark.parametrize("name", font_names())
def test_the_licence_file_names_the_holder_of_every_bundled_font(name: str) -> None:
    assert f"{name}.ttf" in _NOTICES


def test_the_licence_stands_in_full_beside_the_fonts() -> None:
    assert "SIL OPEN FONT LICENSE Version 1.1" in _NOTICES


def test_the_licence_file_names_no_font_that_is_not_bundled() -> None:
    named = {word.strip(",").removesuffix(".ttf") for word in _NOTICES.split() if ".ttf" in word}
    assert named == set(font_names())
