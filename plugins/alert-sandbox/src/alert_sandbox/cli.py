"""`alertctl sandbox`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping

import click

from alert_sandbox import environment
from alert_sandbox.server import HOST, PORT, SMTP_PORT, SMTPS_PORT, Sandbox

_TCP = click.IntRange(0, 65_535)


@click.command()
@click.option("--port", default=PORT, type=_TCP, show_default=True, help="Of HTTP; 0 takes a free one.")
@click.option(
    "--smtp-port", default=SMTP_PORT, type=_TCP, show_default=True, help="Of SMTP with STARTTLS; 0 takes a free one."
)
@click.option(
    "--smtps-port", default=SMTPS_PORT, type=_TCP, show_default=True, help="Of SMTP over TLS; 0 takes a free one."
)
@click.option("--env", "env", is_flag=True, help="Print what points every transport at a sandbox on these ports.")
@click.option("--exec", "command", metavar="CMD", help="Run a command with that in its environment, then end.")
@click.option("--tour", is_flag=True, help="Send examples through every installed transport.")
def sandbox(port: int, smtp_port: int, smtps_port: int, env: bool, command: str | None, tour: bool) -> int:
    """See every alert as its reader will, without an account anywhere.

    Stands in, on loopback, for Slack, Telegram, Resend, SendGrid, PagerDuty, CastBrick, Twilio, Vonage and a mail
    server.

    \b
        alertctl sandbox                              # one terminal
        eval "$(alertctl sandbox --env)"              # another
        alertctl send "Disk full" -s critical
    """  # noqa: D301 - click's mark of a paragraph that keeps its lines
    if sum((env, command is not None, tour)) > 1:
        raise click.UsageError("--env, --exec and --tour exclude each other")
    if env:
        if 0 in (port, smtp_port, smtps_port):
            raise click.UsageError("--env needs the ports of the sandbox that runs, so none may be 0")
        at = environment.Addresses(url=f"http://{HOST}:{port}", host=HOST, smtp_port=smtp_port, smtps_port=smtps_port)
        show_environment(environment.environment(at))
        return 0
    try:
        running = Sandbox(port=port, smtp_port=smtp_port, smtps_port=smtps_port)
    except OSError:
        raise click.UsageError(
            f"one of the ports {port}, {smtp_port}, {smtps_port} is taken: another sandbox may be running at"
            f" http://{HOST}:{port}; --port 0 --smtp-port 0 --smtps-port 0 takes free ones"
        ) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running:
        if command is not None:
            return run(command, running)
        introduce(running)
        if tour:
            from alert_sandbox.tour import main

            return main(running)
        wait_for_interrupt()
    return 0


def show_environment(variables: Mapping[str, str]) -> None:
    """Print them for a shell."""
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def introduce(running: Sandbox) -> None:
    """Say where it is, and what to do."""
    at = running.addresses
    ports = (
        ""
        if at.url.endswith(f":{PORT}") and at.smtp_port == SMTP_PORT
        else f" --port {at.url.rpartition(':')[2]} --smtp-port {at.smtp_port}"
    )
    click.echo(f"The inbox:  {at.url}/")
    click.echo(f"Mail:       {at.host}:{at.smtp_port} (STARTTLS), {at.host}:{at.smtps_port} (TLS); CA {at.ca_bundle}")
    click.echo("In another terminal:")
    click.echo(f'    eval "$(alertctl sandbox --env{ports})"')
    click.echo('    alertctl send "Disk full" -m "/var is at 98 %" -s critical')


def run(command: str, running: Sandbox) -> int:
    """Run the command; its exit status. What arrived is told on standard error."""
    try:
        done = subprocess.run(shlex.split(command), env={**os.environ, **running.environment()}, check=False)  # noqa: S603 - the user's own command
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--exec: {error}") from None
    for message in running.messages():
        told = message.fault or ("accepted" if message.accepted else f"refused {message.answer['status']}")
        click.echo(f"{message.kind:10} {told:14} {message.title}", err=True)
    return done.returncode


def wait_for_interrupt() -> None:
    """Until Ctrl-C, or SIGTERM."""
    click.echo("Ctrl-C ends it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo()
