"""Commands are run in a small project, as the ``kedro`` command does, in this process."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import traceback
from pathlib import Path
from typing import Any

from bad_inputs import driving
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.project import pipelines

from emotion_kedro.config import loader


def lay_out(folder: Path, case: dict[str, Any]) -> None:
    """Write a whole project: the small configuration, with the project's catalog and environments."""
    driving.lay_out(folder, case)
    root = driving.CONF.parent
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(root / name, folder / name)
    shutil.copytree(root / "conf/base/catalog", folder / "conf/base/catalog")
    for name in ("real", "report"):
        (folder / "conf" / name).mkdir()
    (folder / "src").mkdir()


def said(folder: Path, words: list[str]) -> tuple[int, str]:
    """Return how a command ends, and what it prints."""
    printed = io.StringIO()
    handler = logging.StreamHandler(printed)
    logging.getLogger("emotion_kedro").addHandler(handler)
    loader._LOADERS.clear()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            KedroCLI(folder).main(words, prog_name="kedro")
        except SystemExit as end:
            return int(end.code or 0), printed.getvalue()
        except Exception:
            return 1, printed.getvalue() + traceback.format_exc()
        finally:
            loader._LOADERS.clear()
            pipelines.configure("emotion_kedro.pipeline_registry")
            logging.getLogger("emotion_kedro").removeHandler(handler)
    return 0, printed.getvalue()


def run(folder: Path, case: dict[str, Any]) -> tuple[str, str]:
    """Return the verdict of a case, and what was printed."""
    lay_out(folder, case)
    before = os.environ.pop("KEDRO_ENV", None)
    try:
        if "environment" in case:
            os.environ["KEDRO_ENV"] = case["environment"]
        code, printed = said(folder, case["words"])
    finally:
        os.environ.pop("KEDRO_ENV", None)
        if before is not None:
            os.environ["KEDRO_ENV"] = before
    return verdict(case, code, printed), printed


def verdict(case: dict[str, Any], code: int, printed: str) -> str:
    """``good``, or what is wrong: ``silent``, ``unclear``."""
    if (code == 0) != case.get("goes_on", False):
        return "silent" if code == 0 else "unclear"
    clear = "Traceback" not in printed and all(str(word).casefold() in printed.casefold() for word in case["says"])
    return "good" if clear else "unclear"
