"""Python programs that start at once: one process has imported the large libraries, and forks for each of them.

A fresh interpreter takes seconds to import torch and what stands on it; a fork takes milliseconds. Nothing of the
project is imported before, nor Kedro: all that is not a large library is found as by a fresh interpreter.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LIMIT = 600
"""Seconds after which a program is ended."""


def python(
    *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, text: str = "", merged: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these words, which begin with ``-c`` or ``-m``, and return how it ended.

    Args:
        words: of the command line.
        cwd: where it runs.
        env: all variables it has.
        text: what it reads.
        merged: whether errors stand among what is printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(text, encoding="utf-8")
        files = [*files[:2], files[1] if merged else files[2]]
        order = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps({**order, "files": [str(file) for file in files]}) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        assert answer, f"the process that forks ended with {server.wait()}"
        printed, errors = (file.read_text(encoding="utf-8") for file in files[1:])
        return subprocess.CompletedProcess(words, json.loads(answer), printed, "" if merged else errors)


@cache
def _server() -> subprocess.Popen[str]:
    """Start the process that forks; it ends with this one, when there is nobody to give it orders."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, __file__], env=environment, text=True, **pipes)
    atexit.register(server.communicate)
    return server


def import_libraries() -> None:
    """Import what takes long, but for Kedro, which sets up logging; nothing is computed: no thread has begun."""
    for name in (
        *("dynaconf", "matplotlib.pyplot", "omegaconf", "pandera.pandas", "peft", "pyarrow.dataset", "pyarrow.parquet"),
        *("pydantic", "requests", "rich.console", "safetensors.torch", "sklearn.linear_model"),
        *("sklearn.model_selection", "sqlalchemy"),
    ):
        importlib.import_module(name)
    import transformers

    for name in ("AutoModelForSequenceClassification", "AutoModelForCausalLM", "AutoTokenizer", "BertForMaskedLM"):
        getattr(transformers, name)
    for name in ("bert.modeling_bert", "gpt2.modeling_gpt2", "bert.tokenization_bert", "gpt2.tokenization_gpt2"):
        importlib.import_module(f"transformers.models.{name}")


def _serve() -> None:
    """Import, then run each program that is ordered, one a line, and answer with its exit status."""
    orders, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is stopped at the keyboard closes the pipe
    import_libraries()
    assert not {"emotion_kedro", "kedro"} & sys.modules.keys()
    gc.collect()
    gc.freeze()  # a collection in a fork does not copy the memory of what was imported
    for line in orders:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        answers.flush()


def _become(order: dict[str, Any]) -> None:
    """Be the program; never return."""
    signal.alarm(LIMIT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(order["files"]):
        os.dup2(os.open(file, os.O_APPEND | os.O_CREAT | (os.O_RDWR if number else os.O_RDONLY)), number)
    sys.stdin = io.TextIOWrapper(io.FileIO(0), encoding="utf-8")
    os.fsync = lambda descriptor: None  # no test cuts the power, and a disk takes milliseconds for each of thousands
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    kind, program, *sys.argv[1:] = order["words"]
    paths = [path for path in order["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = ["" if kind == "-c" else order["cwd"], *paths]
    status = 1
    try:
        if kind == "-c":
            sys.argv[0] = kind
            main = sys.modules["__main__"] = type(sys)("__main__")
            exec(program, vars(main))
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
