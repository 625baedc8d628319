"""Workbooks as other programs write them, unlike those of pandas."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path


def with_dimension(file: Path, cells: str) -> None:
    """Let each sheet of a workbook say that these cells are all it has."""
    with zipfile.ZipFile(file) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(file, "w") as book:
        for name, part in parts.items():
            book.writestr(name, re.sub(rb'<dimension ref="[^"]*"', f'<dimension ref="{cells}"'.encode(), part))
