"""The house: how large its rooms may be, and how light it starts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "emotion_kedro"
LONGEST_MODULE = 350
MOST_SIBLINGS = 12
HEAVY = {
    "torch",
    "transformers",
    "pandas",
    "sklearn",
    "sqlalchemy",
    "matplotlib",
    "kedro_datasets",
    "pyarrow",
    "mlflow",
    "onnx",
}


def test_no_module_is_longer_than_a_reader_stands() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}

    assert len(lengths) > 40
    assert {str(path): lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_folder_has_more_siblings_than_one_can_survey() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    siblings = {
        folder: [
            entry.name
            for entry in folder.iterdir()
            if (entry.suffix == ".py" and entry.name != "__init__.py") or (entry / "__init__.py").is_file()
        ]
        for folder in folders
    }

    # The package itself holds a room for each layer.
    crowded = {
        str(folder): names for folder, names in siblings.items() if folder != SOURCE and len(names) > MOST_SIBLINGS
    }
    assert crowded == {}


def test_start_up_loads_nothing_heavy() -> None:
    """What ``kedro registry list`` imports: every call of the command line pays for it."""
    program = (
        "import sys; from pathlib import Path; from kedro.framework.startup import bootstrap_project;"
        "bootstrap_project(Path.cwd());"
        "from kedro.framework.project import pipelines; assert 'augment' in list(pipelines);"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert process.returncode == 0, process.stderr
    assert process.stdout.strip().splitlines()[-1] == "[]"


PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNNING_TEXT = {"eval", "exec", "compile", "__import__"}
READING_PICKLES = {"torch.load", "pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "os.system"}
TRUSTING = {"trust_remote_code", "allow_pickle", "shell"}
"""Keywords that are never true here."""


def _unsafe(tree: ast.AST) -> list[str]:
    """Return what would run code that stands in data, files or models."""
    found = []
    for part in ast.walk(tree):
        if isinstance(part, ast.Import | ast.ImportFrom):
            names = [getattr(part, "module", None) or "", *(name.name for name in part.names)]
            found += sorted(PICKLES & {name.split(".")[0] for name in names})
        elif isinstance(part, ast.Call):
            called = ast.unparse(part.func)
            found += [called] if called in RUNNING_TEXT | READING_PICKLES else []
            found += [word.arg for word in part.keywords if word.arg in TRUSTING and ast.unparse(word.value) != "False"]
    return found


def test_nothing_runs_code_that_stands_in_data_or_models() -> None:
    """SECURITY.md promises it."""
    sources = [path for folder in ("src", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    unsafe = {str(path): found for path in sources if (found := _unsafe(ast.parse(path.read_text(encoding="utf-8"))))}
    assert unsafe == {}
    attacks = "import joblib\nfrom pickle import load\neval('1')\ntorch.load(x)\nopen_model(x, trust_remote_code=True)"
    assert _unsafe(ast.parse(attacks)) == ["joblib", "pickle", "eval", "torch.load", "trust_remote_code"]
