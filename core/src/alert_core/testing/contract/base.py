"""What every part of the contract stands on: the author's declarations, a stand-in, one bounded attempt."""

from __future__ import annotations

import functools
import html
import json
import ssl
import threading
import unicodedata
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Final, Never, TypeVar
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import attrs
import pytest
import trustme

from alert_core.alert import Alert
from alert_core.errors import AlertError, ConfigError, DeliveryError
from alert_core.plugins import installed_plugins
from alert_core.report import Outcome
from alert_core.retry import RetryPolicy
from alert_core.testing.httpserver import HttpStandIn
from alert_core.transport import Receipt, Secret, Transport

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from alert_core.dispatcher import Dispatcher
    from alert_core.testing.replies import ProviderReplies, Received, Reply
    from alert_core.testing.standin import StandIn

SHORT: Final = 0.3  # seconds: the timeout of a transport whose provider hangs
GRACE: Final = 3.0  # seconds after its timeout in which an attempt must have ended, on a busy machine too
ONCE: Final = RetryPolicy(attempts=1)
_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class Attempt:
    """How one call of `send()` ended."""

    receipt: object = None
    error: BaseException | None = None

    @property
    def outcome(self) -> Outcome:
        """As the dispatcher would report it."""
        if self.error is None:
            return Outcome.DELIVERED
        if isinstance(self.error, DeliveryError):
            return Outcome.of(self.error)
        permanent = isinstance(self.error, TypeError | AttributeError | NotImplementedError)
        return Outcome.PERMANENT if permanent else Outcome.UNCERTAIN

    def __str__(self) -> str:
        if self.error is None:
            return f"send() returned {type(self.receipt).__name__}"
        return f"send() raised {type(self.error).__name__}"


class ContractBase:
    """The declarations of a contract class, and the tools of its tests."""

    kind: ClassVar[str]
    """The kind of transport under test, found through its installed entry point."""
    options: ClassVar[Mapping[str, Any]]
    """Options with which it works; every credential is, or holds, CANARY. The endpoint's URL is the provider's own."""
    replies: ClassVar[ProviderReplies]
    """How the provider answers."""
    stand_in: ClassVar[type[StandIn] | None] = HttpStandIn
    """What plays the provider; None for a transport that opens no connection: its tests are skipped then."""
    canary_on_wire: ClassVar[Collection[str]] = ("header:authorization",)
    """Where the API asks for the credential: `header:NAME`, `body:FIELD`, `body`, `path`. A URL option that holds
    CANARY allows `path` by itself."""
    max_text: ClassVar[int | None] = None
    """The provider's limit of the longest text in a request, in characters; None where it has none."""
    markup: ClassVar[Collection[str]] = ()
    """What the provider would take for markup (`<!channel>`, `<b>`), and no alert may smuggle in; () for none."""
    supports_resolve: ClassVar[bool] = False
    """Whether a resolved alert shows as such."""

    _stack: ExitStack
    _folder: Path

    # What a contract of another protocol than HTTP says for itself.

    def endpoint(self, host: str, port: int, ca_bundle: str | None) -> dict[str, Any]:
        """The options that lead the transport to this address: over TLS, trusting `ca_bundle`, where that is given."""
        name = getattr(self.transport_class, "url_option", "api_url")
        declared = {option.name: option.default for option in self.transport_class.options()}
        url = self.options.get(name, declared.get(name))
        url = url.reveal() if isinstance(url, Secret) else url
        if name not in declared or not isinstance(url, str):
            pytest.fail(
                f"{self.transport_class.__name__} says that its endpoint's URL is the option {name!r}, and "
                f"{'that has no value' if name in declared else 'declares no such option'}: set url_option, or "
                "override endpoint() in the contract class",
                pytrace=False,
            )
        parts = urlsplit(url)
        scheme = "https" if ca_bundle else "http"
        moved = urlunsplit((scheme, f"{host}:{port}", parts.path, parts.query, parts.fragment))
        return {name: moved} | ({"ca_bundle": ca_bundle} if ca_bundle else {})

    def strings(self, request: Received) -> Sequence[str]:
        """Every text in a request, as it was sent: where markup would be live. Default: of a JSON or form body."""
        try:
            return list(_strings(json.loads(request.body)))
        except ValueError:
            text = request.body.decode("utf-8", "replace")
            if "form-urlencoded" in request.headers.get("content-type", ""):
                return [value for _, value in parse_qsl(text)]
            return [text]

    def shown(self, request: Received) -> str:
        """All that a reader sees of it. Default: the strings, with HTML's and Slack's entities resolved."""
        return "\n".join(html.unescape(text) for text in self.strings(request))

    def check_request(self, request: Received, alert: Alert) -> None:  # noqa: ARG002 - for who overrides it
        """Raise AssertionError where the provider would refuse the request. Default: JSON that is declared is JSON."""
        if "json" in request.headers.get("content-type", ""):
            try:
                json.loads(request.body.decode("utf-8"))
            except ValueError as error:
                raise AssertionError(f"the body is not JSON in UTF-8 ({error})") from None

    def same_message(self, first: Received, second: Received) -> bool:
        """Whether the provider can tell that the second repeats the first. Default: both are equal."""
        return attrs.evolve(first, connection=0) == attrs.evolve(second, connection=0)

    # The tools.

    @pytest.fixture(autouse=True)
    def _stage(self, tmp_path: Path) -> Iterator[None]:
        self._folder = tmp_path
        with ExitStack() as self._stack:
            yield

    @functools.cached_property
    def transport_class(self) -> type[Transport]:
        """The class under test, as the installed plugin gives it."""
        try:
            return installed_plugins().transport_class(self.kind)
        except AlertError as error:
            pytest.fail(
                f"{error}\nThe contract finds kind {self.kind!r} through its installed entry point: name the plugin's "
                'module under [project.entry-points."alert_core.plugins"] and install the project (pip install -e .)',
                pytrace=False,
            )

    @property
    def speaks_http(self) -> bool:
        """Whether what plays the provider speaks HTTP."""
        return self.stand_in is not None and issubclass(self.stand_in, HttpStandIn)

    def need_network(self) -> type[StandIn]:
        """Skip the test of a transport that opens no connection."""
        if self.stand_in is None:
            pytest.skip(f"{self.kind} opens no connection (stand_in = None)")
        return self.stand_in

    def serve(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> StandIn:
        """Start a provider's stand-in; by default it says yes."""
        return self.enter(self.need_network()(*(replies or (self.replies.ok,)), tls=tls))

    def enter(self, manager: AbstractContextManager[_T]) -> _T:
        """Open something for the length of the test."""
        return self._stack.enter_context(manager)

    def connect(self, server: StandIn, **options: Any) -> Transport:
        """An instance that reaches the stand-in without TLS."""
        return self.instance(server.host, server.port, **options)

    def instance(self, host: str, port: int, ca_bundle: str | None = None, **options: Any) -> Transport:
        """An instance that reaches this address."""
        return self.make(**{**self.endpoint(host, port, ca_bundle), **options})

    def make(self, **options: Any) -> Transport:
        """An instance with the contract's options and these, closed when the test ends."""
        try:
            transport = self.transport_class(**{**self.options, **options})
        except ConfigError as error:
            self.fail(f"the options of the contract class were refused:\n{error}")
        self._stack.callback(transport.close)
        return transport

    def authority(self, *names: str) -> tuple[ssl.SSLContext, str]:
        """A new authority: a server's context for these names, and the path of its bundle."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        path = self._folder / "authority.pem"
        authority.cert_pem.write_to_path(str(path))
        return context, str(path)

    def attempt(self, transport: Transport, alert: Alert | None = None) -> Attempt:
        """One call of `send()`, which must end within the transport's timeout."""
        if (done := self.try_once(transport, alert)) is None:
            self.fail(
                f"send() had not returned {GRACE:g} s after its timeout of {transport.timeout:g} s: bound the attempt "
                "as a whole by time_left(), not each read (HttpTransport.exchange() does)"
            )
        return done

    def try_once(self, transport: Transport, alert: Alert | None = None) -> Attempt | None:
        """One call of `send()`; None where it has not returned in time, which is for another test to tell."""
        alert = alert or an_alert()
        ended: list[Attempt] = []
        thread = threading.Thread(target=lambda: ended.append(call(transport, alert)), daemon=True)
        thread.start()
        thread.join(transport.timeout + GRACE)
        return ended[0] if ended else None

    def deliver(self, transport: Transport, alert: Alert | None = None) -> Receipt:
        """One attempt that must succeed."""
        done = self.attempt(transport, alert)
        if not isinstance(done.receipt, Receipt):
            self.fail(f"{done}, though the provider said yes ({done.error!s:.300}): return a Receipt")
        return done.receipt

    def fail(self, message: str) -> Never:
        """Fail the test with a message for the transport's author, and nothing else."""
        pytest.fail(message, pytrace=False)


def call(transport: Transport, alert: Alert) -> Attempt:
    """One call of `send()`; with one recipient where the provider takes one a call."""
    arguments: list[Any] = [alert]
    if transport.recipients_option is not None:
        arguments.append(getattr(transport, transport.recipients_option)[0])
    try:
        return Attempt(receipt=transport.send(*arguments))
    except BaseException as error:  # noqa: BLE001 - the error is what is looked at
        return Attempt(error=error)


def dispatcher_of(transport: Transport, retry: RetryPolicy = ONCE) -> Dispatcher:
    """A dispatcher of this one target."""
    from alert_core.dispatcher import Dispatcher

    return Dispatcher([transport], retry=retry)


def an_alert(title: str = "Disk full", message: str = "No space left on /var", **fields: Any) -> Alert:
    """An alert with every field that a transport may show."""
    values: dict[str, Any] = {
        "severity": "critical",
        "source": "billing",
        "tags": ("disk", "prod"),
        "metadata": {"host": "db1", "used": 0.99},
        "url": "https://example.com/runbook",
    }
    return Alert(title, message, **(values | fields))


def visible(text: str) -> str:
    """Text without white space, control and format characters: how a transport folds those is its own business."""
    return "".join(char for char in text if unicodedata.category(char)[0] not in "CZ")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
