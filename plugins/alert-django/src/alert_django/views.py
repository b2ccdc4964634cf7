"""The gateway of alert-gateway as views: `path("monitoring/", include("alert_django.urls"))`."""

from __future__ import annotations

import atexit
import os
import threading

from django.core.exceptions import RequestDataTooBig
from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from alert_django.dispatchers import get_dispatcher
from alert_django.transactions import in_transaction
from alert_gateway.bodies import MAX_BODY
from alert_gateway.gateway import Gateway
from alert_gateway.handling import Handling
from alert_gateway.messages import Request, Response

_lock = threading.Lock()
_gateway: Gateway | None = None
_handling = Handling()


@csrf_exempt
@non_atomic_requests  # what a monitoring tool tells is no part of a change, and is stored before it is answered
def ingest(request: HttpRequest, path: str = "") -> HttpResponse:
    """Take a webhook or a heartbeat, and answer within `[gateway] answer_within`.

    Who may send is the gateway's to see: tokens, signatures, or loopback alone.
    """
    current, asked = gateway(), _request(request, path)
    if any(in_transaction(alias) for alias in connections):  # a test's: another thread would not see what it wrote
        return _response(current.handle(asked))
    return _response(_handling.handle(current, asked))


@csrf_exempt
@non_atomic_requests
async def aingest(request: HttpRequest, path: str = "") -> HttpResponse:
    """As `ingest()`, for ASGI: the event loop goes on meanwhile."""
    return _response(await _handling.ahandle(gateway(), _request(request, path)))


def gateway() -> Gateway:
    """The gateway of the process's dispatcher, and of the next one where the settings have changed.

    Raises:
        ConfigError: the settings are wrong.
    """
    global _gateway  # noqa: PLW0603 - the process has one
    dispatcher = get_dispatcher()
    with _lock:
        if _gateway is None or _gateway.dispatcher is not dispatcher:
            close()
            _gateway = Gateway(dispatcher)
        _gateway.start()
        return _gateway


def close() -> None:
    """Tell what the gateway has gathered, and let go of it."""
    global _gateway
    before, _gateway = _gateway, None
    if before is not None:
        before.close()


def _request(request: HttpRequest, path: str) -> Request:
    try:
        body = request.body
    except RequestDataTooBig:  # the gateway says so itself
        body = request.read(MAX_BODY + 1)
    return Request(
        method=str(request.method),
        path=f"/{path}",
        query={key: str(values[-1]) for key, values in request.GET.lists() if values},
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        peer=request.META.get("REMOTE_ADDR") or None,
    )


def _response(response: Response) -> HttpResponse:
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))


def _after_fork() -> None:
    global _lock, _gateway
    _lock, _gateway = threading.Lock(), None  # the parent's threads are not here, and its gateway is its own


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
