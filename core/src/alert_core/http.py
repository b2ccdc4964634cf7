"""Transports over HTTP: one bounded attempt a call, every answer and fault mapped to an outcome."""

from __future__ import annotations

import functools
import http
import ipaddress
import json
import logging
import re
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, ClassVar, Final, Self

import attrs
import httpx

from alert_core.alert import Alert
from alert_core.bounded import BoundedBackend, exchange_ends
from alert_core.errors import (
    DeliveryError,
    Fault,
    PermanentDeliveryError,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_core.network import describe_fault, has_cause
from alert_core.redaction import redact
from alert_core.text import number
from alert_core.tls import client_context
from alert_core.transport import Receipt, Secret, Transport, option

MAX_BODY: Final = 1 << 20
"""Bytes of an answer that are read, after decoding; no provider's answer comes near."""

_RETRYABLE: Final = frozenset({408, 425, 429, 503})
_SERVER_ERROR: Final = 500
_HEADERS = re.compile(r"(return_value=\(.*?\d{3}).*", re.DOTALL)
_URL = re.compile(r"[\x21-\x7e\x80-\U0010ffff]+")


@attrs.frozen(repr=False)
class HttpRequest:
    """A request as it goes out. Two made of one alert are the same byte for byte, so that a retry repeats the first."""

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content: bytes = b""

    @classmethod
    def json(cls, url: str, body: Any, *, headers: Mapping[str, str] | None = None, method: str = "POST") -> Self:
        """A request with `body` as JSON in UTF-8."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return cls(method, url, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, content)

    @classmethod
    def form(
        cls,
        url: str,
        fields: Mapping[str, str] | Iterable[tuple[str, str]],
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> Self:
        """A request with `fields` as application/x-www-form-urlencoded, in UTF-8."""
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        content = urllib.parse.urlencode(pairs).encode()
        return cls(method, url, {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}, content)

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} with {len(self.content)} bytes>"


@attrs.frozen(repr=False)
class HttpResponse:
    """An answer: its status, its headers (names in any case) and its decoded body."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=httpx.Headers)
    content: bytes = b""

    @property
    def text(self) -> str:
        """The body as UTF-8, what is no UTF-8 replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none; out of `read_response` this makes the delivery uncertain.
        """
        return json.loads(self.content)

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status} with {len(self.content)} bytes>"


def secure_url(_: object, __: object, value: str | Secret) -> None:
    """Validate an option that holds a URL: https, or http on a loopback host; no user or password in it.

    Raises:
        ValueError: it is of another form; the URL is not quoted.
    """
    url = value.reveal() if isinstance(value, Secret) else value
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not _URL.fullmatch(url) or parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be an absolute https:// URL without white space")
    if not f"{parts.path}{parts.query}".isascii():
        raise ValueError("has a character outside ASCII; copy the whole URL, or write that character percent-encoded")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must have no user or password in it; set them by their own options")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https://; http:// is accepted for loopback hosts alone")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own (RFC 6761 section 6.3, 127.0.0.0/8, ::1)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a Retry-After header, in seconds or as a date (RFC 9110 section 10.2.3), or None."""
    value = headers.get("retry-after", "").strip()
    if (seconds := number(value)) is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


class HttpTransport(Transport):
    """Base class of transports over HTTP: a subclass says what to ask (`build_request`) and what the answer means.

    `transport=` takes any `httpx.BaseTransport` in place of the network, for tests.
    """

    url_option: ClassVar[str] = "api_url"
    """The option that holds the endpoint's URL; a subclass whose option has another name says so."""

    ca_bundle: str | None = option(default=None, help="PEM file of the authorities to trust; default: certifi's")
    transport: httpx.BaseTransport | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the options; connect at the first attempt."""
        super().__attrs_post_init__()
        self._lock = threading.Lock()
        self._pool: httpx.HTTPTransport | None = None

    def build_request(self, alert: Alert) -> HttpRequest:
        """The request that delivers the alert. Pure: the same alert gives the same bytes."""
        raise NotImplementedError(f"{type(self).__name__} has no build_request()")

    def read_response(self, response: HttpResponse) -> Receipt:
        """The receipt in a 2xx answer. Anything raised but a DeliveryError means that the answer is not understood.

        Raises:
            DeliveryError: the provider says no, though with a 2xx.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read_response()")

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """What an answer other than 2xx means. Extend it where the provider's own codes say more than the status."""
        return error_for(response)

    def send(self, alert: Alert) -> Receipt:
        """One request, one answer."""
        return self.receive(self.exchange(self.request(alert)))

    def request(self, alert: Alert, *recipient: str) -> HttpRequest:
        """What `build_request` makes of the same arguments.

        Raises:
            PermanentDeliveryError: it raised something else; told by its class alone.
        """
        try:
            return self.build_request(alert, *recipient)
        except DeliveryError:
            raise
        except Exception as error:  # noqa: BLE001 - nothing was sent, and another try would build the same
            fault = PermanentDeliveryError(f"could not build the request: {type(error).__name__}")
        raise fault  # here, so that it has no context, whose text may hold a value

    def receive(self, response: HttpResponse) -> Receipt:
        """Judge an answer by `read_error` or `read_response`."""
        error: DeliveryError
        try:
            if 200 <= response.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
                return self.read_response(response)
            error = self.read_error(response)
        except DeliveryError:
            raise
        except Exception as fault:  # noqa: BLE001 - a body of any form may come
            text = f"answered HTTP {response.status}, but not as documented ({type(fault).__name__})"
            error = UncertainDeliveryError(text, status=response.status)
        raise error

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read its answer, all within `time_left()`. Redirects are not followed.

        Raises:
            DeliveryError: no answer; by the kind of fault, retryable (it was not sent), uncertain or permanent.
        """
        token = exchange_ends.set(time.monotonic() + self.time_left())
        fault: DeliveryError
        try:
            outgoing = self._outgoing(request)
            connections = self._connected(outgoing.url)
        except Exception as error:  # noqa: BLE001 - a URL, header or proxy that httpx cannot use
            fault = PermanentDeliveryError(f"the request cannot be sent ({type(error).__name__})")
        else:
            try:
                return _answer(connections, outgoing)
            except DeliveryError:
                raise
            except Exception as error:  # noqa: BLE001 - from here on it may have arrived, whatever happens
                fault = _network_error(error)
        finally:
            exchange_ends.reset(token)
        raise fault

    def _outgoing(self, request: HttpRequest) -> httpx.Request:
        headers = httpx.Headers({"User-Agent": user_agent(), "Accept-Encoding": "identity"})
        headers.update(request.headers)
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self.time_left())
        return httpx.Request(
            request.method, request.url, headers=headers, content=request.content, extensions={"timeout": timeouts}
        )

    def is_loopback(self) -> bool:
        """Whether the endpoint's URL names this machine."""
        url = getattr(self, self.url_option, None) or ""
        return is_loopback(urllib.parse.urlsplit(url.reveal() if isinstance(url, Secret) else url).hostname or "")

    def check(self) -> list[Fault]:
        """Read the bundle of authorities, so that a wrong one is told while configuring."""
        try:
            client_context(self.ca_bundle, httpx.create_ssl_context)
        except OSError as error:  # ssl.SSLError is one
            return [Fault("ca_bundle", f"cannot be read as PEM certificates ({type(error).__name__})")]
        return []

    def close(self) -> None:
        """Close the connections; the next attempt connects again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._pool = None

    def _connected(self, url: httpx.URL) -> httpx.BaseTransport:
        if self.transport is not None:
            return self.transport
        with self._lock:
            if self._pool is None:
                self._pool = httpx.HTTPTransport(
                    verify=client_context(self.ca_bundle, httpx.create_ssl_context),
                    proxy=_proxy(url),
                    trust_env=False,
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=self.concurrency),
                )
                self._pool._pool._network_backend = BoundedBackend()  # noqa: SLF001 - httpx has no argument for it
            return self._pool


def _answer(connections: httpx.BaseTransport, outgoing: httpx.Request) -> HttpResponse:
    response = connections.handle_request(outgoing)
    response.request = outgoing
    try:
        content = b""
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_BODY:
                raise UncertainDeliveryError("the answer is longer than any that is documented")
        return HttpResponse(response.status_code, response.headers, content)
    finally:
        response.close()


def error_for(response: HttpResponse, code: str | None = None) -> DeliveryError:
    """The error that a status means where the provider says nothing else."""
    status = response.status
    kind: type[DeliveryError]
    if status in _RETRYABLE:
        kind = RetryableDeliveryError
    elif status < _SERVER_ERROR or status == http.HTTPStatus.NOT_IMPLEMENTED:
        kind = PermanentDeliveryError
    else:
        kind = UncertainDeliveryError
    phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus._value2member_map_ else ""
    text = f"answered HTTP {status} {phrase}".rstrip() + (f": {code}" if code else "")
    wait = retry_after(response.headers) if kind is RetryableDeliveryError else None
    return kind(text, status=status, code=code, retry_after=wait)


@functools.cache
def user_agent() -> str:
    """`alert-core/VERSION`: some providers refuse a request without one."""
    return f"alert-core/{version('alert-core')}"


def _network_error(error: Exception) -> DeliveryError:
    """Told by the exception's class."""
    if has_cause(error, ssl.SSLCertVerificationError):
        return PermanentDeliveryError("the server's certificate does not verify")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return RetryableDeliveryError(f"could not connect ({describe_fault(error)})")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return PermanentDeliveryError(f"the request cannot be sent ({describe_fault(error)})")
    return UncertainDeliveryError(f"no answer, or only part of one ({describe_fault(error)})")


def _proxy(url: httpx.URL) -> str | None:
    if is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


class _MaskingFilter(logging.Filter):
    """Mask what httpx logs (URLs at INFO) and httpcore (at DEBUG; of an answer, nothing but its status)."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(_HEADERS.sub(r"\1 …", record.getMessage())), None
        return True


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks"):
    logging.getLogger(_name).addFilter(_MaskingFilter())
