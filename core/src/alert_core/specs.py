"""What plugins contribute: records, which the core calls as ordinary typed objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from alert_core.alert import Alert
from alert_core.transport import Transport


@attrs.frozen
class TransportSpec:
    """A kind of transport.

    Attributes:
        kind: the `type` of a target: `slack`.
        transport: the class, or an import string (`"alert_slack.transport:SlackTransport"`), so that nothing heavy
            loads before a target needs it.
        summary: one line for people.
        family: kinds of one family (`email`) stand in for each other: `Dispatcher.from_env()` takes one.
        preference: which one: the highest of those configured.
    """

    kind: str
    transport: type[Transport] | str
    summary: str = ""
    family: str | None = None
    preference: int = 0


@attrs.frozen
class ProcessorSpec:
    """A pure step between masking and routing; None drops the alert. Lower `order` runs first."""

    name: str
    process: Callable[[Alert], Alert | None]
    order: int = 0


@attrs.frozen
class RedactorSpec:
    """A masking rule of a plugin, applied to every string. It may only remove."""

    name: str
    redact: Callable[[str], str]


@attrs.frozen
class QueueSpec:
    """A kind of queue: its class, or an import string."""

    kind: str
    queue: type[Any] | str


@attrs.frozen
class SourceSpec:
    """A webhook format of the gateway: `POST /alerts/NAME`.

    Attributes:
        name: the path's last part, and the table `[sources.NAME]`.
        parse: `parse(body, headers, query)` gives the alerts in a request: bytes, and texts by lower-case header name
            and by query key. An empty list is a message that is no alert, counted as ignored. What it raises means that
            the body is of no known shape: the gateway tells of it as "Unrecognised payload". It may name a fourth
            argument, `settings`: the source's own table.
        authenticate: whether a request proves by itself that the sender made it, by a signature over its bytes or a
            key in its body: `authenticate(body, headers, query, settings)`.
    """

    name: str
    parse: Callable[..., list[Alert]]
    authenticate: Callable[..., bool] | None = None


@attrs.frozen
class CommandSpec:
    """A command of `alertctl`: a click command, or an import string."""

    name: str
    command: Any
    summary: str = ""


@attrs.frozen
class TableSpec:
    """A top-level table of alerts.toml that the plugin owns.

    Attributes:
        name: the table's.
        config: the attrs class that it is read into, or a mapping of such, as `dict[str, Heartbeat]` for
            `[heartbeats.NAME]`. `Dispatcher.tables` has what was read.
        check: what can be wrong besides a value's type, for `alertctl check`: a function, or an import string of one,
            that is called with the dispatcher where the table is configured, and raises a ConfigError.
    """

    name: str
    config: Any
    check: Callable[..., None] | str | None = None


Spec = TransportSpec | ProcessorSpec | RedactorSpec | QueueSpec | SourceSpec | CommandSpec | TableSpec
