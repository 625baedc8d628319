"""The pages of the site that are not files of ``docs/``: those of the project's folder, and every parameter.

``mkdocs.yml`` names this module as its hook. What stands elsewhere is read when the site is built, never stored twice.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import pkgutil
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import emotion_kedro.config as parameters
from emotion_kedro.config.base import Config, Kind

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
OF_THE_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Documents of the project's folder -> their pages."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
ORDER = ("experiment", "data", "taxonomy", "augmentation", "filters", "models", "training", "evaluation")
"""Modules of parameters that come first."""
SIGNS = {
    **{"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<", "minLength": "length ≥"},
    # Where something looks at a value before its bounds do, pydantic leaves their names as they are.
    **{"ge": "≥", "gt": ">", "le": "≤", "lt": "<"},
}
INTRODUCTION = """# Every parameter

Made from the types that check each file of `conf/`: an unknown key, or a value out of bounds, stops a command before
any work. Where a default is *to be given*, there is none.

An experiment (`conf/base/experiments/*.yml`) is an [ExperimentFile](#experimentfile), a source a
[SourceConfig](#sourceconfig), a label set a [TaxonomyConfig](#taxonomyconfig). A generator,
filter, learner or analysis says its `kind`:

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; mkdocs calls this."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def pages() -> dict[str, str]:
    """Return the Markdown of each page by its name."""
    moved = {page: _moved((ROOT / name).read_text(encoding="utf-8")) for name, page in OF_THE_ROOT.items()}
    return {**moved, "parameters.md": parameter_page()}


def _moved(text: str) -> str:
    """Return a document of the project's folder with links as seen from ``docs/``; those to code lose their target."""

    def moved(link: re.Match[str]) -> str:
        shown, target = link.groups()
        path, mark, anchor = target.partition("#")
        if path in OF_THE_ROOT:
            return f"[{shown}]({OF_THE_ROOT[path]}{mark}{anchor})"
        if path.startswith("docs/"):
            return f"[{shown}]({target.removeprefix('docs/')})"
        return link.group() if not path or ":" in path else shown

    return LINK.sub(moved, text.replace("](docs/images/", "](images/"))


def parameter_page() -> str:
    """Return the page that says of every parameter its name, its type, its default and what it does."""
    names = {part.name: None for part in pkgutil.iter_modules(parameters.__path__)}
    modules = [importlib.import_module(f"{parameters.__name__}.{name}") for name in dict.fromkeys([*ORDER, *names])]
    kinds = [_kinds(name, table) for module in modules for name, table in _tables(module)]
    return INTRODUCTION + "\n".join(kinds) + "\n\n" + "\n".join(filter(None, map(_module, modules)))


def _tables(module: Any) -> Iterator[tuple[str, Mapping[str, Kind]]]:
    """Yield the tables of kinds that a module defines."""
    text = inspect.getsource(module)
    for name, value in vars(module).items():
        if (
            name.isupper()
            and re.search(rf"^{name}\b[^\n]*= \{{", text, re.MULTILINE)
            and isinstance(value, dict)
            and _is_of_kinds(value)
        ):
            yield name, value


def _is_of_kinds(table: dict[str, Any]) -> bool:
    return bool(table) and all(isinstance(entry, Kind) for entry in table.values())


def _kinds(name: str, table: Mapping[str, Kind]) -> str:
    links = ", ".join(f"[`{kind}`](#{entry.config.__name__.lower()})" for kind, entry in table.items())
    return f"- {name.capitalize()}: {links}"


def _module(module: Any) -> str:
    """Return the part of a module: a table for each of its models that has parameters of its own or of its parents."""
    models = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Config)]
    own = [model for model in models if model.__module__ == module.__name__ and model.model_fields]
    if not own:
        return ""
    head = f"## {module.__name__.rpartition('.')[2].capitalize()}\n\n{_plain(inspect.getdoc(module) or '')}\n"
    return head + "".join(map(_model, own))


def _model(model: type[Config]) -> str:
    schema = model.model_json_schema()["properties"] if model.model_fields else {}
    notes = _notes(model)
    rows = [
        f"| `{name}` | {_cell(_type(schema[name]))} | {_default(field)} | {_cell(notes.get(name, ''))} |"
        for name, field in model.model_fields.items()
    ]
    head = f"\n### {model.__name__}\n\n{_plain(inspect.getdoc(model) or '')}\n\n"
    return head + "\n".join(["| Parameter | Type | Default | What it is |", "|---|---|---|---|", *rows]) + "\n"


def _notes(model: type[Config]) -> dict[str, str]:
    """Return what stands below each field, the nearest class first."""
    notes: dict[str, str] = {}
    for parent in reversed([part for part in model.__mro__ if issubclass(part, Config) and part is not Config]):
        body = ast.parse(textwrap.dedent(inspect.getsource(parent))).body[0].body  # type: ignore[attr-defined]
        for field, below in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                notes[ast.unparse(field.target)] = inspect.cleandoc(str(below.value.value))
    return notes


def _type(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "allOf" in schema or "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema.get("anyOf") or schema["allOf"]))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return _list(schema)
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"names, each with {_type(inner)}" if isinstance(inner, dict) and inner else "names and values"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "null",
    }
    return words.get(str(schema.get("type")), "anything") + _bounds(schema)


def _list(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: " + ", ".join(map(_type, schema["prefixItems"]))
    return f"list of: {_type(schema.get('items', {}))}"


def _bounds(schema: Mapping[str, Any]) -> str:
    found = [f"{sign} {schema[key]}" for key, sign in SIGNS.items() if key in schema]
    return f" {', '.join(found)}" if found else ""


def _default(field: Any) -> str:
    if field.is_required():
        return "*to be given*"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Config):
        changed = value.model_dump(mode="json", exclude_defaults=True)
        return f"its defaults{', with ' if changed else ''}{_yaml(changed) if changed else ''}"
    return _yaml(value)


def _yaml(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=lambda part: part.model_dump(mode="json"))
    return _cell(f"`{text[:77] + '...' if len(text) > 80 else text}`")


def _plain(docstring: str) -> str:
    """Return a docstring as Markdown: the marks of reStructuredText become backticks, indented lists stay text."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", docstring).replace("``", "`")
    return re.sub(r"\n {2,}", "\n", text)


def _cell(text: str) -> str:
    return " ".join(_plain(text).split()).replace("|", "\\|")
