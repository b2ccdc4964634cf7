"""A Flask blueprint: `app.register_blueprint(blueprint())`."""

from __future__ import annotations

import atexit
from typing import Any, Final

import flask

from alert_core import Dispatcher
from alert_gateway.asgi import configured
from alert_gateway.bodies import MAX_BODY
from alert_gateway.gateway import Gateway
from alert_gateway.handling import Handling
from alert_gateway.messages import Request

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""All of them: the gateway says itself which a path takes."""
_PATHS: Final = ("/alerts", "/heartbeat", "/healthz", "/readyz", "/metrics", "/openapi.json")
_PAGE: Final = ("/", "/page", "/api")


def blueprint(dispatcher: Dispatcher | Gateway | None = None, *, page: bool = False) -> flask.Blueprint:
    """A blueprint that answers as `alertctl serve` does, at `/alerts`, `/heartbeat`, `/healthz` and the others.

    Args:
        dispatcher: takes the alerts; or a Gateway on one. Default: a dispatcher that is built from ALERT_CONFIG,
            `./alerts.toml` or the environment.
        page: serve the status page too, at `/`, `/page` and `/api`.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if isinstance(dispatcher, Gateway):
        gateway = dispatcher
    else:
        gateway = Gateway(dispatcher or configured())
        atexit.register(gateway.close)
    handling = Handling()
    made = flask.Blueprint("alert_gateway", __name__)

    def answer(path: str, rest: str = "") -> flask.Response:
        gateway.start()  # in the process that serves, whatever was forked before
        asked = flask.request
        response = handling.handle(
            gateway,
            Request(
                method=asked.method,
                path=f"{path.rstrip('/')}/{rest}" if rest else path,
                query={name: values[-1] for name, values in asked.args.lists()},
                headers={name.lower(): value for name, value in asked.headers.items()},
                body=asked.stream.read(MAX_BODY + 1),
                peer=asked.remote_addr,
            ),
        )
        return flask.Response(response.body, response.status, headers=dict(response.headers))

    for path in (*_PATHS, *(_PAGE if page else ())):
        options: dict[str, Any] = {"defaults": {"path": path}, "methods": _METHODS, "provide_automatic_options": False}
        options["strict_slashes"] = False
        made.add_url_rule(path, view_func=answer, **options)
        if path != "/":
            made.add_url_rule(f"{path}/<path:rest>", view_func=answer, **options)
    return made
