"""A process that has imported everything, and forks one that runs ``kedro`` for each order that it reads.

A fork takes milliseconds where a fresh interpreter takes seconds to import torch. Orders and answers are JSON, one a
line. An order may say when the run is killed: after so many seconds of CPU time or of the clock, or at its n-th change
of the data folder (a file opened for writing, created, flushed, renamed or removed; a folder made or removed). After so
many seconds of the clock a worker of Ray that does a node, or a part of one, may be killed in its place.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import mmap
import os
import pkgutil
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from forked import import_libraries

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.utime", "os.truncate", "os.link"}
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Import, then serve orders until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import_everything()
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(serve(json.loads(line))) + "\n")
        answers.flush()


def import_everything() -> None:
    """Import the project and what it imports when it needs it; nothing is computed, so that no thread has begun."""
    import_libraries()
    for name in ("kedro.framework.cli.cli", "kedro_datasets.pandas", "kedro.runner"):
        importlib.import_module(name)
    from importlib.metadata import entry_points

    # Plugins of the command line: kedro-viz, with a web server.
    for group in ("kedro.global_commands", "kedro.project_commands", "kedro.line_magic", "kedro.hooks"):
        for plugin in entry_points(group=group):
            plugin.load()
    import emotion_kedro

    for module in pkgutil.walk_packages(emotion_kedro.__path__, "emotion_kedro."):
        if not {"app", "cli", "ray", "__main__"} & set(module.name.split(".")):
            importlib.import_module(module.name)


def serve(order: dict[str, Any]) -> dict[str, Any]:
    """Run ``kedro`` as the order says; return how it ended, what was killed, its seconds and its changes of files."""
    counter = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        run(order, counter)
    began, killed = time.monotonic(), ""
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        seconds = time.monotonic() - began
        if not killed and seconds >= order.get("worker", math.inf):
            killed = kill_worker(child)
        elif seconds >= order.get("seconds", math.inf) or cpu_seconds(child) >= order.get("cpu", math.inf):
            os.kill(child, signal.SIGKILL)
            ended = os.wait4(child, 0)
            break
        time.sleep(0.002)
    _, status, usage = ended
    used = {"cpu": usage.ru_utime + usage.ru_stime, "seconds": time.monotonic() - began}
    calls = struct.unpack("q", counter[:8])[0]
    return {"status": os.waitstatus_to_exitcode(status), "killed": killed, "calls": calls, **used}


def kill_worker(child: int) -> str:
    """Kill a worker of the child's cluster that works; return what it did, nothing where there is none yet."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            title = file.read_text().partition("\x00")[0]
            process = int(file.parent.name)
            node = title.removeprefix("ray::")
            if node != title and ("." in node or " " in node) and parent_of(parent_of(process)) == child:
                os.kill(process, signal.SIGKILL)
                return node
    return ""


def parent_of(process: int) -> int:
    """Return the number of the process that started it."""
    return int(Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def cpu_seconds(process: int) -> float:
    """Return user and system time of a process, of a clock that ticks every 10 ms."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(order: dict[str, Any], counter: mmap.mmap) -> None:
    """Become ``kedro`` in the project's folder; never return."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order["folder"])
    sys.argv = ["kedro", *order["words"]]
    code = 1
    try:
        count_changes(str(Path(order["folder"]) / "data"), order.get("call"), counter)
        from kedro.framework.cli.cli import main as kedro

        kedro()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def count_changes(folder: str, limit: int | None, counter: mmap.mmap) -> None:
    """Count changes below the folder just before they are made, and kill this process at one of them."""
    made = 0

    def count() -> None:
        nonlocal made
        made += 1
        counter[:8] = struct.pack("q", made)
        if made == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, details: tuple[Any, ...]) -> None:
        changes = event in CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & WRITES)
        if changes and any(is_below(path) for path in details[:2]):
            count()

    def is_below(path: object) -> bool:
        # The command runs in the project's folder: a relative path starts there.
        return isinstance(path, str | os.PathLike) and str(Path.cwd() / path).startswith(folder)

    sys.addaudithook(audit)
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        count()
        flush(descriptor)

    os.fsync = fsync


if __name__ == "__main__":
    main()
