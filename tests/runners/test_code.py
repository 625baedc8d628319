"""Which edits of a project's source count for a function."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emotion_kedro.config.augmentation import GENERATORS
from emotion_kedro.config.models import LEARNERS
from emotion_kedro.pipelines.classification.nodes import fit_arm
from emotion_kedro.pipelines.synthesis.nodes import draw_candidates
from emotion_kedro.runners.incremental.code import Code, Sources, bound_arguments

MODULES = {
    "__init__": "",
    "nodes": '''
import json
import shop.plugins
from shop import goods, kinds
from shop.prices import total as sum_up, LIMIT
from shop.registry import ENTRIES

def sell(rows):
    """Sell."""
    return sum_up(rows), kinds.make(), goods.Apple().weigh(), kinds.rate, ENTRIES["plum"](), kinds.show("page.j2")

def count(rows):
    return len(rows)
''',
    "prices": """
import pandas as pd
from shop.tax import *
LIMIT = 3

def total(rows):
    from shop.lazy import late
    return late(rows) + tax()

def unused():
    return 1
""",
    "tax": "def tax():\n    return 2\n",
    "lazy": "def late(rows):\n    return 3\n",
    "kinds": """
from shop.tax import tax as rate
rate = rate() * 2
KINDS = {'pear': 'shop.pear:Pear'}

def make():
    return KINDS['pear']

def show(name):
    return name
""",
    "registry": """
ENTRIES = {}

def enter(function):
    ENTRIES[function.__name__] = function
    return function
""",
    "plugins": """
import functools
from shop import kinds
from shop.registry import enter

@enter
def plum():
    return blue()

def blue():
    return 'blue'

@functools.cache
def unused():
    return 1

kinds.price = 3
""",
    "pear": "class Pear:\n    def taste(self):\n        return 'sweet'\n",
    "goods": """
try:
    import numpy as np
except ImportError:
    np = None

class Fruit:
    def weigh(self):
        return grams()

class Apple(Fruit):
    pass

class Plum(Fruit):
    pass

def grams():
    return np.int64(100)
""",
}
DATA = {"page.j2": "{% include 'page.css' %}", "page.css": "color: red", "unused.yml": "1"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that edits the package ``shop``, and returns one of its nodes."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, source in {**{f"{name}.py": source for name, source in MODULES.items()}, **DATA}.items():
        (folder / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    def edited(module: str = "nodes", old: str = "", new: str = "", *, function: str = "sell") -> Any:
        file = folder / (module if module in DATA else f"{module}.py")
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        return getattr(importlib.import_module("shop.nodes"), function)

    yield edited
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("module", "old", "new", "counts"),
    [
        ("nodes", "sum_up(rows),", "sum_up(rows[1:]),", True),
        ("nodes", '"""Sell."""', '"""Sell everything."""', False),
        ("nodes", "def sell(rows):", "def sell(rows):  # a comment", False),
        ("nodes", "len(rows)", "len(rows) + 1", False),  # another function of the module
        ("prices", "late(rows) + tax()", "late(rows) - tax()", True),
        ("prices", "return 1", "return 2", False),
        ("prices", "LIMIT = 3", "LIMIT = 4", False),  # imported, and never used by it
        ("lazy", "return 3", "return 4", True),  # imported within a function
        ("tax", "return 2", "return 3", True),  # by a star
        ("pear", "'sweet'", "'sour'", True),  # named by a string
        ("goods", "np.int64(100)", "np.int64(200)", True),  # by a method of a base class
        ("goods", "class Plum(Fruit):\n    pass", "class Plum(Fruit):\n    x = 1", False),
        ("kinds", "def make():", "print('hello')\n\ndef make():", True),  # what importing does
        ("kinds", "rate() * 2", "rate() * 3", True),  # imported and bound anew
        ("plugins", "return blue()", "return blue() * 2", True),  # entered in a registry by its decorator
        ("plugins", "'blue'", "'green'", True),  # and what that uses
        ("plugins", "return 1", "return 2", False),  # a library's decorator enters nothing
        ("plugins", "price = 3", "price = 4", True),  # set on another module
        ("page.j2", "include", "import", True),  # data that the code names
        ("page.css", "red", "blue", True),  # and that the data name
        ("unused.yml", "1", "2", False),
    ],
)
def test_what_counts_is_what_can_be_reached(
    shop: Callable[..., Any], module: str, old: str, new: str, counts: bool
) -> None:
    before = digests(Sources().code_of(shop()))
    after = digests(Sources().code_of(shop(module, old, new)))

    changed = [name for name in before if before[name] != after[name]]
    assert changed == ([f"shop/{module}" if module in DATA else f"shop.{module}"] if counts else [])


def digests(code: Code) -> dict[str, str]:
    return {**code.modules, **{name: file.read_text() for name, file in code.data.items()}}


def test_libraries_are_those_on_the_way(shop: Callable[..., Any]) -> None:
    sell, count = Sources().code_of(shop()), Sources().code_of(shop(function="count"))

    assert "numpy" in sell.libraries
    assert "pandas" not in sell.libraries  # imported, and never used
    assert "shop" not in sell.libraries
    assert "numpy" not in count.libraries


@pytest.mark.parametrize("function", [str.upper, len, "-".join])
def test_what_is_written_in_c_has_a_code_too(function: Callable[..., Any]) -> None:
    assert Sources().code_of(function) == Sources().code_of(function)
    assert bound_arguments(function) == (["-"] if function.__name__ == "join" else [])


def test_arguments_bound_beforehand_are_part_of_it() -> None:
    def inner(first: int, second: int) -> int:
        return first + second

    function = functools.update_wrapper(functools.partial(inner, second=2), inner)

    assert bound_arguments(function) == [[], {"second": 2}]
    assert Sources().code_of(function).modules == Sources().code_of(inner).modules


def test_every_kind_that_a_node_may_open_is_reached() -> None:
    """The tables of kinds name them by strings: one that is put together while running would not be seen."""
    fitting, drawing = (Sources().code_of(node).modules for node in (fit_arm, draw_candidates))

    assert {kind.implementation.partition(":")[0] for kind in LEARNERS.values()} <= set(fitting)
    assert {kind.implementation.partition(":")[0] for kind in GENERATORS.values()} <= set(drawing)
