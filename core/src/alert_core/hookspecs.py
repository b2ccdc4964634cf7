"""The hooks. A plugin is a module (or an object) with functions of these names, marked `@hookimpl`.

A plugin names only the arguments it needs. Observers, all hooks but the first, see the masked alert, run in the thread
that made the event, and have no power: what they raise is logged and swallowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from alert_core.alert import Alert
    from alert_core.errors import DeliveryError
    from alert_core.report import DeliveryReport
    from alert_core.specs import Spec
    from alert_core.transport import Receipt

PROJECT: Final = "alert_core"
hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def alert_register() -> Iterable[Spec]:  # type: ignore[empty-body]  # a specification has no body
    """Return what the plugin contributes. Called once, while it loads; no I/O.

    ```python
    @hookimpl
    def alert_register():
        yield TransportSpec("pager", "alert_pager.transport:PagerTransport", "Beep a pager")
    ```
    """


@hookspec
def alert_dropped(alert: Alert, reason: str, dropped_by: str) -> None:
    """An alert, or one delivery of it, will reach no one.

    `reason` is one word: `processor`, `silenced` (a route without targets), `no_target`, `min_severity`, `queue_full`,
    `stalled`, `deadline`, `closed`, `exit`; with a durable queue `dead_letter`, `deduplicated`, `not_firing` (a resolve
    of what does not fire), or one of its own. `dropped_by` names the processor, route, silence or target.

    ```python
    @hookimpl
    def alert_dropped(reason, dropped_by):
        DROPPED.labels(reason, dropped_by).inc()
    ```
    """


@hookspec
def alert_delivery_started(alert: Alert, target: str, attempt: int) -> None:
    """An attempt begins; `attempt` counts from 1.

    ```python
    @hookimpl
    def alert_delivery_started(target, attempt):
        log.debug("attempt %d of %s", attempt, target)
    ```
    """


@hookspec
def alert_delivery_succeeded(alert: Alert, target: str, attempt: int, receipt: Receipt) -> None:
    """The provider said yes.

    ```python
    @hookimpl
    def alert_delivery_succeeded(target, receipt):
        log.info("%s took it as %s", target, receipt.id)
    ```
    """


@hookspec
def alert_delivery_failed(alert: Alert, target: str, attempt: int, error: DeliveryError, will_retry: bool) -> None:
    """An attempt failed; `will_retry` says whether another follows.

    ```python
    @hookimpl
    def alert_delivery_failed(target, error, will_retry):
        log.warning("%s: %s", target, type(error).__name__)
    ```
    """


@hookspec
def alert_dispatch_finished(alert: Alert, report: DeliveryReport) -> None:
    """Every delivery of the alert has ended, or `send()` has reached its deadline. Once a dispatch.

    With a durable queue at most once: never where the process is killed between noting the end and telling it.

    ```python
    @hookimpl
    def alert_dispatch_finished(report):
        ALERTS.labels("ok" if report.ok else "failed").inc()
    ```
    """
