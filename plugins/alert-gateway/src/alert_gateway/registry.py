"""The formats that there are, and how each is asked."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import attrs

from alert_core import Alert, Dispatcher, SourceSpec
from alert_gateway.config import SourceTable
from alert_gateway.events import named_key

Headers = Mapping[str, str]
Query = Mapping[str, str]


@attrs.frozen
class Module:
    """A source's module, imported when its first request comes.

    Attributes:
        name: what is imported; it has `parse(body, headers, query, settings)`, and may have
            `authenticate(body, headers, query, settings)`, `delivery_id(body, headers)`, `answer(body, headers)`,
            `PATHS`, and `SIGNED`: whether every request of this sender has a signature that needs no secret of ours.
    """

    name: str

    def load(self) -> ModuleType:
        """The module."""
        return importlib.import_module(self.name)

    def parse(self, body: bytes, headers: Headers, query: Query, settings: SourceTable) -> list[Alert]:
        """What the module's own does."""
        found: list[Alert] = self.load().parse(body, headers, query, settings)
        return found

    def authenticate(self, body: bytes, headers: Headers, query: Query, settings: SourceTable) -> bool:
        """What the module's own does; without one nothing is proved."""
        own = getattr(self.load(), "authenticate", None)
        return own is not None and bool(own(body, headers, query, settings))


@attrs.frozen
class Source:
    """One format, as the gateway asks it: what a module may leave out is filled in."""

    name: str
    settings: SourceTable
    spec: SourceSpec

    def parse(self, body: bytes, headers: Headers, query: Query) -> tuple[list[Alert], int]:
        """The alerts in a request, and how many of its messages are none. What the source raises is raised."""
        if "settings" in inspect.signature(self.spec.parse).parameters:
            found = self.spec.parse(body, headers, query, settings=self.settings)
        else:
            found = self.spec.parse(body, headers, query)
        alerts = list(found)
        if not all(isinstance(alert, Alert) for alert in alerts):
            raise TypeError("a source gives alerts")
        ignored = int(getattr(found, "ignored", 0 if alerts else 1))
        return [self._named(alert) for alert in alerts], ignored

    def _named(self, alert: Alert) -> Alert:
        """Of a source that has a name of its own: the alert under this name, and not under the format's."""
        old, changes = self.spec.name, {}
        if old != self.name and alert.dedup_key.startswith(f"{old}:"):
            changes["dedup_key"] = named_key(self.name, alert.dedup_key.removeprefix(f"{old}:"))
        if old != self.name and alert.source == old:
            changes["source"] = self.name
        return alert.evolve(**changes) if changes else alert

    def authenticate(self, body: bytes, headers: Headers, query: Query) -> bool:
        """Whether the request proves by itself who made it."""
        return self.spec.authenticate is not None and bool(self.spec.authenticate(body, headers, query, self.settings))

    def is_signed(self) -> bool:
        """Whether a request without a valid signature is refused, whatever token is shown."""
        return self.settings.secret is not None or bool(self.settings.verify and self._own("SIGNED"))

    def paths(self) -> Sequence[str]:
        """What the sender's clients append to the URL that they are given."""
        found: Sequence[str] = self._own("PATHS") or ()
        return found

    def delivery_id(self, body: bytes, headers: Headers) -> str | None:
        """The sender's own name of this request, the same when it is replayed; None: it has none."""
        own: Callable[[bytes, Headers], Any] | None = self._own("delivery_id")
        found = own(body, headers) if own is not None else None
        return str(found) if found else None

    def answer(self, body: bytes, headers: Headers) -> dict[str, Any]:
        """What the sender's own clients look for in the answer, besides ours."""
        own: Callable[[bytes, Headers], dict[str, Any]] | None = self._own("answer")
        try:
            return dict(own(body, headers)) if own is not None else {}
        except Exception:  # noqa: BLE001 - the alerts are accepted: that is what is to be told
            return {}

    def _own(self, name: str) -> Any:
        """What the module that the parser comes from has of this name."""
        owner = getattr(self.spec.parse, "__self__", None)
        module = owner.load() if isinstance(owner, Module) else sys.modules.get(self.spec.parse.__module__)
        return getattr(module, name, None)


def sources_of(dispatcher: Dispatcher) -> dict[str, Source]:
    """Every format under its own name, and what `[sources.NAME] type` adds; a table of an unknown type is left out."""
    specs = {spec.name: spec for spec in dispatcher.plugins.sources}
    tables: Mapping[str, SourceTable] = dispatcher.tables.get("sources") or {}
    named = {name: table.type or name for name, table in tables.items()}
    return {
        name: Source(name, tables.get(name) or SourceTable(), specs[kind])
        for name, kind in ({name: name for name in specs} | named).items()
        if kind in specs
    }
