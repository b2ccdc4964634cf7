"""The contract: a credential shows nowhere but where the API asks for it."""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import attrs
import pytest

from alert_core.redaction.literals import encodings
from alert_core.testing.contract.base import SHORT, ContractBase, an_alert, dispatcher_of
from alert_core.testing.replies import CANARY, Fault, Received, Reply
from alert_core.testing.standin import HOST, refusing_port
from alert_core.transport import Secret, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Secrets(ContractBase):
    """The canary is looked for in every place where credentials were once found."""

    def test_options_that_hold_a_credential_are_secrets(self) -> None:
        """A Secret is masked in repr, in errors and in logs, and registered as a literal."""
        holding = [name for name, value in self.options.items() if holds_canary(str(value))]
        if not holding:
            self.fail("no option holds CANARY: put it where a credential goes, so that the contract can look for it")
        declared = {option.name: option for option in self.transport_class.options()}
        plain = [name for name in holding if name in declared and not declared[name].secret]
        if plain:
            self.fail(f"the option {plain[0]!r} holds a credential but is no Secret: annotate it `{plain[0]}: Secret`")

    def test_the_credential_is_not_in_the_repr(self) -> None:
        """Of the instance, as an f-string and a debugger show it."""
        transport = self.make()
        for text in (repr(transport), str(transport), f"{transport}"):
            if holds_canary(text):
                self.fail("repr(transport) shows the credential: leave __repr__ to Transport, which masks Secrets")

    def test_the_credential_is_not_in_an_error(self) -> None:
        """Not in its text, nor anywhere in the chain of causes, as a traceback prints it."""
        for what, transport in self._failures():
            done = self.try_once(transport)
            error = None if done is None else done.error
            if error is not None and holds_canary("".join(traceback.format_exception(error))):
                self.fail(
                    f"{what}: the traceback of {type(error).__name__} shows the credential: leave URL, headers and "
                    "options out of its text, and raise it `from None` where the cause has them"
                )

    def test_the_credential_is_not_in_the_logs(self) -> None:
        """Of any logger, down to DEBUG."""
        with every_log_line() as lines:
            self.deliver_if_networked()
            for _, transport in self._failures():
                self.try_once(transport)
        for name, text in lines:
            if holds_canary(text):
                self.fail(f"logger {name!r} wrote the credential: do not log it, nor a URL or header that holds it")

    def test_the_credential_is_not_printed(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Neither on standard output nor on standard error."""
        self.deliver_if_networked()
        for _, transport in self._failures():
            self.try_once(transport)
        if any(map(holds_canary, capfd.readouterr())):
            self.fail("send() printed the credential: print nothing")

    def test_the_credential_is_not_in_the_report(self) -> None:
        """Though the provider's answer says it back."""
        echoed = [value.reveal() if isinstance(value, Secret) else str(value) for value in self.options.values()]
        secrets = [value for value in echoed if holds_canary(value)]
        reply = self.replies.unauthorized or (Reply(401) if self.speaks_http else None)
        if reply is None:
            pytest.skip("replies.unauthorized is not given")
        body = {"error": " ".join(secrets), "description": " ".join(secrets), "message": " ".join(secrets)}
        server = self.serve(attrs.evolve(reply, json=body, text=None, content=b""))
        with dispatcher_of(self.connect(server)) as dispatcher:
            report = dispatcher.send(an_alert())
        if holds_canary(json.dumps(report.to_dict())) or holds_canary(repr(report)):
            self.fail("the report shows the credential, which the provider had echoed: quote its error code alone")

    def test_the_credential_is_on_the_wire_only_where_the_api_asks_for_it(self) -> None:
        """By default in the Authorization header, and in the path where the URL is the credential."""
        server = self.serve()
        self.deliver(self.connect(server))
        for request in server.received:
            for place in places_of_canary(request):
                field = place.partition(":")[0]
                if place not in self._allowed() and field not in self._allowed():
                    self.fail(
                        f"the credential is in the request's {place}: take it out; or, where the API asks for it "
                        f"there, say so in the contract class: canary_on_wire = {{{place!r}}}"
                    )

    def deliver_if_networked(self) -> None:
        """One delivery that succeeds."""
        if self.stand_in is not None:
            self.deliver(self.connect(self.serve()))

    def _allowed(self) -> set[str]:
        name = getattr(self.transport_class, "url_option", "")
        in_url = holds_canary(str(self.options.get(name, "")))
        return {*self.canary_on_wire, *(("path",) if in_url else ())}

    def _failures(self) -> Iterator[tuple[str, Transport]]:
        """Instances whose next attempt fails, each in another way."""
        self.need_network()
        named = [getattr(self.replies, name) for name in ("rejected", "unauthorized", "not_found", "server_error")]
        statuses = (401, 404, 500) if self.speaks_http else ()
        for reply in (*filter(None, named), *map(Reply, statuses)):
            yield f"status {reply.status}", self.connect(self.serve(reply))
        for fault in (Fault.GARBAGE, Fault.TRUNCATE, Fault.RESET):
            server = self.serve(attrs.evolve(self.replies.ok, fault=fault))
            yield f"provider told to {fault.value}", self.connect(server, timeout=SHORT)
        hanging = self.serve(attrs.evolve(self.replies.ok, fault=Fault.HANG))
        yield "read timeout", self.connect(hanging, timeout=SHORT)
        yield "connection refused", self.instance(HOST, self.enter(refusing_port()))
        context, _ = self.authority("localhost", HOST)
        _, bundle = self.authority("localhost", HOST)
        server = self.serve(tls=context)
        yield "unknown authority", self.instance(server.host, server.port, bundle)


def holds_canary(text: str, canary: str = CANARY) -> bool:
    """Whether the canary is in it: as it is, URL-quoted, in JSON or in base64."""
    return any(form in text for form in encodings(canary))


def places_of_canary(request: Received) -> Iterator[str]:
    """Where in a request the canary is: `path`, `header:NAME`, `body:FIELD` or `body`."""
    if holds_canary(request.path):
        yield "path"
    yield from (f"header:{name}" for name, value in request.headers.items() if holds_canary(value))
    if not holds_canary(request.body.decode("utf-8", "replace")):
        return
    fields = _fields(request)
    found = [name for name, value in fields.items() if holds_canary(json.dumps(value))]
    yield from (f"body:{name}" for name in found)
    if not found:
        yield "body"


def _fields(request: Received) -> Mapping[str, object]:
    """The body's top-level fields, of JSON or of a form."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return dict(parse_qsl(request.body.decode("utf-8", "replace")))
    return body if isinstance(body, dict) else {}


@contextmanager
def every_log_line() -> Iterator[list[tuple[str, str]]]:
    """Collect what every logger writes, at DEBUG: its name, and the formatted record with its traceback."""
    lines: list[tuple[str, str]] = []
    formatter = logging.Formatter()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.name, formatter.format(record) + repr(record.args)))

    collector, root = Collector(), logging.getLogger()
    known = [logging.getLogger(name) for name in list(root.manager.loggerDict)]
    levels = {logger: logger.level for logger in (root, *known)}
    closed = [logger for logger in (root, *known) if logger is root or not logger.propagate]
    disabled = logging.root.manager.disable
    try:
        logging.disable(logging.NOTSET)
        for logger in levels:
            logger.setLevel(logging.DEBUG)
        for logger in closed:
            logger.addHandler(collector)
        yield lines
    finally:
        logging.disable(disabled)
        for logger in closed:
            logger.removeHandler(collector)
        for logger, level in levels.items():
            logger.setLevel(level)
