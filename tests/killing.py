"""Work that is killed half-way, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def kill_in_the_middle(code: str, *arguments: str, sign: Path) -> None:
    """Run Python ``code`` until the file ``sign`` is there, then kill the process so that it can clean up nothing."""
    paths = [HERE, HERE / "models", HERE.parent / "src"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)
    deadline = time.monotonic() + 60
    try:
        while not sign.exists():
            assert process.poll() is None, "the process ended before it could be killed"
            assert time.monotonic() < deadline, "the process did not get there"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
