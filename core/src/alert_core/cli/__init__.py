"""`alertctl`: send, check, look at plugins and routes, and what plugins add.

Exit status: 0 every target delivered (or a durable queue accepted it, or nothing was meant to be sent), 1 any failed
or uncertain, 2 usage or configuration, 130 interrupted. No traceback is ever printed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

import click

from alert_core.cli.app import app
from alert_core.cli.output import fail
from alert_core.errors import AlertError, AlertValidationError, ConfigError

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `alertctl` with these arguments (default: the process's), and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.getLogger("alert_core.lanes").addHandler(logging.NullHandler())  # the report tells what it would
    status = _run(arguments)
    _close()
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = app.main(arguments, prog_name="alertctl", standalone_mode=False)
    except click.ClickException as error:
        _explain(error)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted")
        status = INTERRUPTED
    except (ConfigError, AlertValidationError) as error:
        for fault in getattr(error, "faults", (error,)):
            fail(str(fault))
        status = USAGE
    except BrokenPipeError:  # whoever read the output has gone: point it elsewhere, so that the flush at exit is quiet
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except Exception as error:  # noqa: BLE001 - of a plugin's command too: one line, never a traceback
        text = f": {error}" if isinstance(error, AlertError | OSError) else ""
        fail(f"{type(error).__name__}{text}")
        status = FAILED
    return status if isinstance(status, int) else 0


def _explain(error: click.ClickException) -> None:
    """Print what click has to say; its message quotes arguments, so it is masked."""
    usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx is not None else ""
    if error.format_message().startswith("Usage:"):  # no argument at all: the message is the help
        click.echo(error.format_message(), err=True)
    else:
        click.echo(usage, err=True, nl=bool(usage))
        fail(error.format_message())


def _close() -> None:
    """Leave at once: what a report has told already is not waited for a second time."""
    default = sys.modules.get("alert_core.default")
    if default is not None:
        with contextlib.suppress(KeyboardInterrupt):
            dispatcher = default.replace(None)
            if dispatcher is not None:
                dispatcher.close(0)
