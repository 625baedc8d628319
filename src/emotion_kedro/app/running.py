"""The ``run`` command of this project: Kedro's own, which says in a sentence what is wrong.

The traceback of an error is shown by ``kedro run --verbose``.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from emotion_kedro.command_line import CommandError, check_runner, is_plain

WRONG_WORDS = (OmegaConfBaseException, YAMLError, KeyError, TypeError, AttributeError, ValueError, OSError)
"""What Kedro raises where an option cannot be read, beside click's own."""

EXAMPLES = """\b
kedro run --pipelines=augment
kedro run --pipelines=augment --from-nodes=evaluation.write_report
kedro run --env=real --params=raw_root=FOLDER --pipelines=study_edft
"""


class RunCommand(click.Command):
    """A command whose options are read by Kedro's functions."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options.

        Raises:
            CommandError: where Kedro has no sentence for what is wrong with them.
        """
        try:
            return super().parse_args(ctx, list(args))
        except KedroCliError as error:  # of which Kedro shows the type too
            raise CommandError(error.message) from error
        except WRONG_WORDS as error:
            reason = str(error).splitlines()[0].strip("'\"")
            raise CommandError(f"the options {' '.join(args)} cannot be read for kedro run: {reason}") from error


@contextmanager
def _plainly(verbose: bool) -> Iterator[None]:
    """Show an error's message alone if that says all, and its traceback if it is asked for."""
    try:
        yield
    except Exception as error:
        is_click = isinstance(error, click.ClickException) and not isinstance(error, KedroCliError)
        if verbose:
            traceback.print_exc()
        if verbose and not is_click:
            raise SystemExit(1) from error
        if is_click or not is_plain(error):
            raise
        raise CommandError(str(error)) from error


def _run(*, verbose: bool, **given: Any) -> Any:
    assert kedro_run.callback is not None
    with _plainly(verbose):
        check_runner(given["runner"], given["runner_params"])
        return kedro_run.callback(**given)


run = RunCommand(
    "run",
    callback=_run,
    params=[*kedro_run.params, click.Option(["--verbose", "-v"], is_flag=True, help="Show the traceback of an error.")],
    help=f"{kedro_run.help}\n\n{EXAMPLES}",
)
