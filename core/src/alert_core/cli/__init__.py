"""`alertctl`: send, check, look at plugins and routes, and what plugins add.

Exit status: 0 every target delivered (or a durable queue accepted it, or nothing was meant to be sent), 1 any failed
or uncertain, 2 usage or configuration, 130 interrupted. No traceback is ever printed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

import click

from alert_core.cli.app import app
from alert_core.cli.output import fail
from alert_core.errors import AlertError, AlertValidationError, ConfigError

if TYPE_CHECKING:
    from alert_core.dispatcher import Dispatcher

FAILED = 1
USAGE = 2
INTERRUPTED = 130
MARGIN = 1.0
"""Seconds that an attempt may end after its timeout."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `alertctl` with these arguments (default: the process's), and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.getLogger("alert_core.lanes").addHandler(logging.NullHandler())  # the report tells what it would
    sys.exit(_close(_run(arguments)))


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
        fail(_in_words(error))
        status = FAILED
    return status if isinstance(status, int) else 0


def _in_words(error: Exception) -> str:
    """What a person can use of it; of another's exception, whose text may hold anything, its class alone."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (str(error) if isinstance(error, AlertError) else "") or type(error).__name__


def _explain(error: click.ClickException) -> None:
    """Print what click has to say; its message quotes arguments, so it is masked."""
    usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx is not None else ""
    if error.format_message().startswith("Usage:"):  # no argument at all: the message is the help
        click.echo(error.format_message(), err=True)
    else:
        click.echo(usage, err=True, nl=bool(usage))
        fail(error.format_message())


def _close(status: int) -> int:
    """Let the attempts that the queue's worker has begun end, and begin none; what the report told is not waited for.

    Returns:
        The exit status: an interrupt ends the wait.
    """
    default = sys.modules.get("alert_core.default")
    dispatcher = default.replace(None) if default is not None else None
    if dispatcher is None:
        return status
    try:
        if dispatcher.queue is not None and status != INTERRUPTED:
            dispatcher.queue.close(time.monotonic() + _longest(dispatcher) + MARGIN)
    except KeyboardInterrupt:
        status = INTERRUPTED
    with contextlib.suppress(KeyboardInterrupt):
        dispatcher.close(0)
    return status


def _longest(dispatcher: Dispatcher) -> float:
    """The longest timeout of a target, seconds."""
    from alert_core.settings import Settings

    found = (Settings.of(target)[0] for target in dispatcher.targets.values())
    return max((one.timeout for one in found if one is not None), default=0.0)
