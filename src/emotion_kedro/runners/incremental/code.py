"""The code that a function depends on: its own, and all of the project that it can reach from there.

Source is read, not run. From a definition the names that it uses are followed: to definitions of its own module,
through imports (those within functions and for type checkers too) to those of other modules of the project, and through
strings such as ``"package.module:name"``, which tables of kinds hold. What importing a module does counts with each of
its names. Comments, docstrings and layout do not count. What is looked up by a name that is only made while running
cannot be seen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import re
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import BuiltinMethodType
from typing import Any

from emotion_kedro.runners.incremental.package_files import data_named, file_of

MODULE = "<module>"
"""Name of what a module does when it is imported, beside defining names."""
WHOLE = "*"
"""Stands for all names of a module."""

Reference = tuple[str, str]
"""A module and a name in it."""
_Imports = dict[str, set[Reference]]
"""What a name may stand for: it may be imported from one place or, in another branch, from another."""

LIKE_A_NAME = re.compile(r"\w+(?:\.\w+)+(?::\w+)?")
INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Where libraries lie: what is there has a version."""


@dataclass(frozen=True)
class Code:
    """What a function depends on."""

    modules: dict[str, str]
    """A digest of what is reached in each module of the project."""
    libraries: frozenset[str]
    """Names of the other packages that are imported on the way, the standard library's included."""
    data: dict[str, Path]
    """Files in the project's packages that are no code, and that what is reached names."""

    def files(self) -> list[Path]:
        """Return all files that it stands in."""
        return [*filter(None, map(file_of, self.modules)), *self.data.values()]


@dataclass
class _Definition:
    digest: str = ""
    names: set[tuple[str, ...]] = field(default_factory=set)
    """Dotted names that it uses, each in parts."""
    strings: set[str] = field(default_factory=set)
    imports: _Imports = field(default_factory=dict)
    """Of its own; those of the module stand there."""
    _import_statements: list[ast.Import | ast.ImportFrom] = field(default_factory=list)

    def add(self, node: ast.AST, module: str, *, package: bool) -> None:
        """Take in another piece of source under the same name."""
        shape = [self.digest]
        self._take(node, shape)
        for part in self._import_statements:
            _imports(self.imports, part, module, package=package)
        self.digest = _digest(*shape)

    def _take(self, part: Any, shape: list[str]) -> None:
        if isinstance(part, list):
            parts = [each for each in part if not _is_docstring(each)]
            shape.append(f"[{len(parts)}")
            for each in parts:
                self._take(each, shape)
            return
        if not isinstance(part, ast.AST):
            shape.append(repr(part))
            return
        kind = type(part)
        shape.append(kind.__name__)
        if kind in (ast.Name, ast.Attribute) and (dotted := _dotted(part)) is not None:
            self.names.add(dotted)
            shape.extend(dotted)
            return
        if kind is ast.Constant and isinstance(part.value, str):  # type: ignore[attr-defined]
            self.strings.add(part.value)  # type: ignore[attr-defined]
        elif isinstance(part, ast.Import | ast.ImportFrom):
            self._import_statements.append(part)
        for name in part._fields:
            self._take(getattr(part, name, None), shape)


class _Module:
    """The definitions and imports of one module."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.file = name, file
        self.package = file.name == "__init__.py"
        self.definitions: dict[str, _Definition] = {MODULE: _Definition()}
        self.imports: _Imports = {}
        self._read(ast.parse(file.read_bytes(), str(file)).body)

    def _read(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                _imports(self.imports, statement, self.name, package=self.package)
            elif isinstance(statement, ast.If | ast.Try | ast.With):
                self._read_block(statement)
            elif not _is_docstring(statement):
                names = _names_defined(statement)
                for name in names if names and not self._acts(statement) else (*names, MODULE):
                    self._define(name, statement)

    def _read_block(self, block: ast.If | ast.Try | ast.With) -> None:
        for _, value in ast.iter_fields(block):
            parts = value if isinstance(value, list) else [value]
            for part in parts:
                if isinstance(part, ast.ExceptHandler):
                    self._read(part.body)
                elif isinstance(part, ast.stmt):
                    self._read([part])
                elif isinstance(part, ast.AST):
                    self._define(MODULE, part)

    def _acts(self, statement: ast.stmt) -> bool:
        """Whether a definition does more than that: a decorator may enter it elsewhere, or a part of another is set."""
        sets_another = any(isinstance(part, ast.Attribute | ast.Subscript) for part in _parts_set(statement))
        return sets_another or not all(map(self._is_of_library, getattr(statement, "decorator_list", ())))

    def _is_of_library(self, decorator: ast.expr) -> bool:
        first, *_ = _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) or ("",)
        modules = {_top(module) for module, _ in self.imports.get(first, ())}
        return bool(modules) and _top(self.name) not in modules and first not in self.definitions

    def _define(self, name: str, node: ast.AST) -> None:
        self.definitions.setdefault(name, _Definition()).add(node, self.name, package=self.package)


class Sources:
    """The source of the project: of all modules that are not installed, each read when it is first asked for."""

    def __init__(self) -> None:
        self._modules: dict[str, _Module | None] = {}
        self._codes: dict[tuple[Any, ...], Code] = {}
        self._edges: dict[Reference, frozenset[Reference]] = {}
        self._data: dict[Reference, dict[str, Path]] = {}

    def code_of(self, function: Callable[..., Any], *others: type) -> Code:
        """Return what a function depends on, and classes that work for it, such as those of its data sets."""
        origins = (inner(function), *others)
        if origins not in self._codes:
            self._codes[origins] = self._code_of(origins)
        return self._codes[origins]

    def _code_of(self, origins: tuple[Any, ...]) -> Code:
        starts = [(_module_of(origin), origin.__qualname__.partition(".")[0]) for origin in origins]
        digests: dict[str, list[str]] = {}
        libraries: set[str] = set()
        data: dict[str, Path] = {}
        for source, name, definition in self._reachable(starts, libraries):
            digests.setdefault(source.name, []).append(f"{name} {definition.digest}")
            if (source.name, name) not in self._data:
                self._data[source.name, name] = data_named(source.name, source.file, definition.strings)
            data |= self._data[source.name, name]
        if starts[0][0] not in digests and file_of(starts[0][0]) is None:  # of a console, or made by exec
            digests[starts[0][0]] = [_source(origins[0])]
        modules = {module: _digest(*sorted(digests[module])) for module in sorted(digests)}
        return Code(modules, frozenset(libraries), dict(sorted(data.items())))

    def _reachable(self, starts: list[Reference], libraries: set[str]) -> Iterator[tuple[_Module, str, _Definition]]:
        waiting, met = list(starts), set(starts)
        while waiting:
            module, name = waiting.pop()
            source = self._module(module)
            if source is None:
                libraries.add(_top(module))
                continue
            if (module, name) not in self._edges:
                self._edges[module, name] = frozenset(self._follow(source, name))
            new = self._edges[module, name] - met
            met |= new
            waiting.extend(new)
            if name in source.definitions and source.definitions[name].digest:
                yield source, name, source.definitions[name]

    def _follow(self, source: _Module, name: str) -> Iterator[Reference]:
        """Yield what a name of a module leads to."""
        yield source.name, MODULE
        if name == MODULE:
            yield from self._imported_with(source)
        elif name == WHOLE:
            yield from ((source.name, each) for each in (*source.definitions, *source.imports))
        definition = source.definitions.get(name)
        if definition is not None:
            for dotted in definition.names:
                yield from self._names(source, definition, dotted)
            yield from self._in_strings(definition.strings, _top(source.name))
            # Imported within, for what importing does or for use by a name that is made later.
            yield from (self._target(*imported) for imports in definition.imports.values() for imported in imports)
        # A name that is imported may be bound anew, to something that is made of it.
        yield from (self._target(*imported) for imported in source.imports.get(name, ()))
        if definition is None and name not in source.imports:
            yield from ((other, name) for other, _ in source.imports.get(WHOLE, ()))

    def _imported_with(self, source: _Module) -> Iterator[Reference]:
        """Yield the modules of the project that importing one runs, too: they may change what others hold."""
        imported = {self._target(*reference)[0] for each in source.imports.values() for reference in each}
        above = source.name.rpartition(".")[0]
        yield from ((module, MODULE) for module in {*imported, above} if module and self._module(module) is not None)

    def _names(self, source: _Module, definition: _Definition, dotted: tuple[str, ...]) -> Iterator[Reference]:
        first, *rest = dotted
        imported = definition.imports.get(first) or source.imports.get(first, set())
        if first in source.definitions or (not imported and WHOLE in source.imports):
            yield source.name, first
        for reference in imported:
            yield self._down(*self._target(*reference), rest)

    def _down(self, module: str, name: str, rest: list[str]) -> Reference:
        """Return, of a whole module, the name that is taken from it."""
        while name == WHOLE and rest and self._module(f"{module}.{rest[0]}") is not None:
            module, rest = f"{module}.{rest[0]}", rest[1:]
        return module, rest[0] if name == WHOLE and rest else name

    def _target(self, module: str, name: str) -> Reference:
        """Return the module itself where the name imported is one."""
        inside = f"{module}.{name}"
        return (inside, WHOLE) if name != WHOLE and self._module(inside) is not None else (module, name)

    def _in_strings(self, strings: set[str], package: str) -> Iterator[Reference]:
        for text in strings:
            if text.startswith(f"{package}.") and LIKE_A_NAME.fullmatch(text):
                module, _, name = text.partition(":")
                if not name and self._module(module) is None:
                    module, _, name = module.rpartition(".")
                if self._module(module) is not None:
                    yield module, name or WHOLE

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            file = file_of(name)
            is_source = file is not None and file.suffix == ".py" and not any(map(file.is_relative_to, INSTALLED))
            self._modules[name] = (
                _parsed(name, file, file.stat().st_mtime_ns) if file is not None and is_source else None
            )
        return self._modules[name]


@functools.cache
def _parsed(name: str, file: Path, changed: int) -> _Module:
    """Read a module once in a process, as long as it stays as it is."""
    return _Module(name, file)


def inner(function: Callable[..., Any]) -> Any:
    """Return the function that others wrap."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    return function if hasattr(function, "__qualname__") else type(function)


def _module_of(origin: Any) -> str:
    # A method that is written in C has none of its own, neither str.upper nor that of a value, as "-".join.
    kind = getattr(origin, "__objclass__", None) or type(getattr(origin, "__self__", None))
    return str(getattr(origin, "__module__", None) or kind.__module__)


def bound_arguments(function: Callable[..., Any]) -> list[Any]:
    """Return the arguments that partial functions hold already, and the value whose method, written in C, it is."""
    values: list[Any] = []
    while isinstance(function, functools.partial) or hasattr(function, "__wrapped__"):
        if isinstance(function, functools.partial):
            values += [list(function.args), dict(function.keywords)]
            function = function.func
        else:
            function = function.__wrapped__
    value = getattr(function, "__self__", None) if isinstance(function, BuiltinMethodType) else None
    return values if value is None or inspect.ismodule(value) else [*values, value]


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(getattr(function, "__code__", function))


def _imports(into: _Imports, statement: ast.Import | ast.ImportFrom, module: str, *, package: bool) -> None:
    """Enter what an import statement binds: local name -> module, and the name in it or the whole."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            whole = alias.name if alias.asname else _top(alias.name)
            into.setdefault(alias.asname or whole, set()).add((whole, WHOLE))
            into.setdefault(alias.name, set()).add((alias.name, WHOLE))  # ``import a.b`` binds a, and runs b too
        return
    base = statement.module or ""
    if statement.level:
        parts = module.split(".")
        above = parts[: len(parts) - statement.level + package]
        base = ".".join([*above, *([base] if base else [])])
    for alias in statement.names:
        into.setdefault(alias.asname or alias.name, set()).add((base, alias.name))


def _names_defined(statement: ast.stmt) -> tuple[str, ...]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (statement.name,)
    return tuple(part.id for part in _parts_set(statement) if isinstance(part, ast.Name))


def _parts_set(statement: ast.stmt) -> list[ast.expr]:
    """Return the names, attributes and items that an assignment sets."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    parts = (part for target in targets for part in ast.walk(target))
    return [part for part in parts if isinstance(getattr(part, "ctx", None), ast.Store)]  # type: ignore[misc]


def _dotted(node: ast.AST) -> tuple[str, ...] | None:
    """Return the parts of ``a.b.c``; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def _is_docstring(part: Any) -> bool:
    """Whether it is a text that stands alone: of a module, class or function, or below a constant."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]
