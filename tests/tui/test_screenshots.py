"""The README's pictures show the app as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "screenshots"
README = FOLDER.parent / "README.md"
MOST_BYTES = 500_000


def test_they_are_what_would_be_made_now() -> None:
    check = [sys.executable, str(FOLDER / "make.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"python screenshots/make.py\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_each_is_a_small_picture_without_scripts(path: Path) -> None:
    assert path.stat().st_size < MOST_BYTES
    names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
    assert "svg" in names
    assert "script" not in names


def test_the_readme_shows_pictures_that_are_there() -> None:
    linked = [
        part.split(")")[0] for part in README.read_text(encoding="utf-8").split("](screenshots/")
    ][1:]
    assert "tour.svg" in linked
    assert all((FOLDER / name).exists() for name in linked)
