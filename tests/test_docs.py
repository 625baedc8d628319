"""The documents: every link leads somewhere, and every parameter is on its page."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from emotion_kedro.config.augmentation import GENERATORS
from emotion_kedro.config.experiment import ExperimentFile
from emotion_kedro.config.filters import FILTERS
from emotion_kedro.config.models import LEARNERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OUTSIDE = re.compile(r"[a-z]+:")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """The hook of the site; it needs no mkdocs to write its pages."""
    spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", CODE.sub(lambda code: code.group().strip("`"), text), flags=re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def _broken(texts: dict[Path, str]) -> list[str]:
    """Return the links, as ``document: target``, that lead to no file and no heading."""
    broken = []
    for path, text in texts.items():
        for target in LINK.findall(CODE.sub("", text)):
            file, _, anchor = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            lost = there not in texts and not there.exists()
            unnamed = anchor and there.suffix == ".md" and not lost and anchor not in _anchors(texts.get(there, ""))
            if not OUTSIDE.match(target) and (lost or unnamed):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    return broken


def test_every_link_leads_somewhere_in_the_repository_and_on_the_site(site: ModuleType) -> None:
    stored = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    texts = {path: path.read_text(encoding="utf-8") for path in stored}
    assert len(texts) > 30
    assert _broken(texts) == []

    made = {DOCS / name: text for name, text in site.pages().items()}
    on_the_site = {path: text for path, text in texts.items() if path.is_relative_to(DOCS)} | made
    assert _broken(on_the_site) == []
    # No page of the site leaves the folder that it is built from.
    assert not [path for path, text in made.items() if re.search(r"\]\((\.\./|docs/|conf/|src/)", text)]

    named = re.findall(r"[\w/]+\.md", yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert not [name for name in named if DOCS / name not in on_the_site]

    broken = {DOCS / "study.md": "[a](gone.md) [b](#nowhere) [c](https://example.org) `[d](gone.md)`"}
    assert _broken(broken) == ["docs/study.md: gone.md", "docs/study.md: #nowhere"]


def test_the_page_of_parameters_has_all_kinds_with_type_default_and_text(site: ModuleType) -> None:
    page = site.parameter_page()

    for kind, entry in [*GENERATORS.items(), *FILTERS.items(), *LEARNERS.items()]:
        assert f"[`{kind}`](#{entry.config.__name__.lower()})" in page
        assert f"\n### {entry.config.__name__}\n" in page
    part = page.partition("### ExperimentFile")[2].partition("\n### ")[0]
    assert all(f"\n| `{name}` |" in part for name in ExperimentFile.model_fields)
    assert "| `question` | text length ≥ 1 | *to be given* |" in page
    assert (
        "| `added_rows` | whole number ≥ 1 or null | `null` | Candidates of each generator and label that an arm keeps"
        in page
    )
    # A field keeps the text that stands below it in the class that it is inherited from.
    assert "`texts` | whole number ≥ 1 | `64` | Candidates drawn per label." in page.partition("### PromptedConfig")[2]


def test_what_says_versions_twice_says_the_same() -> None:
    """The image installs the weight packages of the Makefile; the citation has the package's version."""
    weights = re.search(r"^WEIGHTS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert weights is not None
    assert weights[1] in (ROOT / "Dockerfile").read_text()
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version[1]
    assert f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_environment_stands_in_the_table() -> None:
    table = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("## Environments")[2]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    assert named == {folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir()}
