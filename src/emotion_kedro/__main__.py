"""``python -m emotion_kedro run ...``: the installed package run without the ``kedro`` command."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: str) -> None:
    """Run the project's ``run`` command with the given command-line words."""
    package = Path(__file__).parent.name
    configure_project(package)
    find_run_command(package)(*(args or tuple(sys.argv[1:])))


if __name__ == "__main__":
    main()
