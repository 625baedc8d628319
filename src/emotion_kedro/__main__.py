"""``python -m emotion_kedro run ...``: the commands of the project without a command that is installed."""

from emotion_kedro.cli import cli

if __name__ == "__main__":
    cli(prog_name="emotion")
