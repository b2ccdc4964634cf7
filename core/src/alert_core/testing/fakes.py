"""Fakes for tests: a transport that fails by plan, and plugins that nobody installed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import attrs

from alert_core.clock import Clock
from alert_core.plugins import Plugins
from alert_core.transport import Receipt, Transport, option

if TYPE_CHECKING:
    from alert_core.alert import Alert


class FlakyTransport(Transport):
    """Fail by plan: each item is what becomes of one attempt, and after the last one every attempt succeeds.

    An item is an exception, or the class of one, to raise; a number: hang so many seconds on the clock, then succeed;
    a Receipt to return; anything else (`None`, `"ok"`): succeed with the alert's id.

    Attributes:
        attempts: each attempt's alert and recipient, in order.
    """

    kind = "flaky"
    to: tuple[str, ...] = option(default=(), help="recipients; each is then a delivery of its own")
    plan: list[Any] = attrs.field(factory=list, kw_only=True, converter=list)
    clock: Clock = attrs.field(factory=Clock, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Start with the whole plan."""
        super().__attrs_post_init__()
        self.attempts: list[tuple[Alert, str | None]] = []
        self.closed = 0
        self._condition = threading.Condition()
        self._left = list(self.plan)
        if self.to:
            vars(self)["recipients_option"] = "to"

    def send(self, alert: Alert, recipient: str | None = None) -> Receipt:
        """Do what the plan's next item says."""
        with self._condition:
            self.attempts.append((alert, recipient))
            item = self._left.pop(0) if self._left else None
            if isinstance(item, int | float):
                ends = self.clock.monotonic() + item
                while (left := ends - self.clock.monotonic()) > 0:
                    self.clock.wait(self._condition, left)
        if isinstance(item, BaseException) or (isinstance(item, type) and issubclass(item, BaseException)):
            raise item
        return item if isinstance(item, Receipt) else Receipt(id=alert.id, recipient=recipient)

    def close(self) -> None:
        """Count the calls."""
        self.closed += 1

    def _forget(self) -> None:
        self._condition = threading.Condition()


def isolated_plugins(*given: object) -> Plugins:
    """Plugins that see only what they are given: modules or objects with `@hookimpl` functions, or Specs.

    ```python
    plugins = isolated_plugins(TransportSpec("pager", PagerTransport))
    Dispatcher.from_config({"targets": {"night": {"type": "pager"}}}, plugins=plugins)
    ```
    """
    return Plugins(given)
