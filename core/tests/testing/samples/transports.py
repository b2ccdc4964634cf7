"""A good transport, and bad ones that differ from it in one thing each."""

import logging
import ssl
import time
import uuid
from typing import Any, ClassVar

import httpcore

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    UncertainDeliveryError,
    option,
)
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, secure_url
from alert_core.text import printable, truncate

URL = "https://api.example.com/v1/messages"


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Good(HttpTransport):
    kind = "good"
    token: Secret = option(help="the API's token")
    channel: str = option(default="#ops", help="where to")
    api_url: str = option(default=URL, validator=secure_url, help="the endpoint")

    def build_request(self, alert: Alert) -> HttpRequest:
        headers = {"Authorization": f"Bearer {self.bearer()}", "Idempotency-Key": alert.id}
        return HttpRequest.json(self.api_url, self.body(alert), headers=headers)

    def body(self, alert: Alert) -> dict[str, object]:
        return {
            "channel": self.channel,
            "title": escape(truncate(printable(alert.title).strip("\u200b") or "Alert", 200, render=escape)),
            "text": escape(truncate(printable(alert.message), 4000, render=escape)),
            "status": alert.status,
            "key": alert.dedup_key,
        }

    def bearer(self) -> str:
        return self.token.reveal()

    def read_response(self, response: HttpResponse) -> Receipt:
        answer = response.json()
        if answer["ok"]:
            return Receipt(id=answer["id"])
        refusal = RetryableDeliveryError if answer["error"] == "busy" else PermanentDeliveryError
        raise refusal("refused", code=answer["error"])


class Heavy(Good):
    kind = "heavy"


class AcceptsPlainHttp(Good):
    kind = "acceptsplainhttp"
    api_url: str = option(default=URL)


class BelievesAny2xx(Good):
    kind = "believesany2xx"

    def read_response(self, response: HttpResponse) -> Receipt:
        return Receipt()


class BoundsEachRead(Good):
    """A timeout for each read, and none for the whole."""

    kind = "boundseachread"

    def _connected(self, url: Any) -> Any:
        pool: Any = super()._connected(url)
        pool._pool._network_backend = httpcore.SyncBackend()
        return pool


class ChangesTheAlert(Good):
    kind = "changesthealert"

    def body(self, alert: Alert) -> dict[str, object]:
        alert.metadata["seen"] = True  # type: ignore[index]  # that is what is bad
        return super().body(alert)


class DiesWhenClosed(Good):
    kind = "dieswhenclosed"
    closed = False

    def close(self) -> None:
        super().close()
        self.closed = True

    def exchange(self, request: HttpRequest) -> HttpResponse:
        if self.closed:
            raise PermanentDeliveryError("closed")
        return super().exchange(request)


class FollowsRedirects(Good):
    kind = "followsredirects"

    def exchange(self, request: HttpRequest) -> HttpResponse:
        response = super().exchange(request)
        if 300 <= response.status < 400:
            moved = HttpRequest("GET", response.headers["location"], request.headers)
            return super().exchange(moved)
        return response


class Hangs(Good):
    """It knows no timeout."""

    kind = "hangs"

    def time_left(self) -> float:
        return 60.0


class HidesResolves(Good):
    kind = "hidesresolves"

    def body(self, alert: Alert) -> dict[str, object]:
        return super().body(alert) | {"status": "firing"}


class LeaksInCause(Good):
    kind = "leaksincause"

    def read_error(self, response: HttpResponse) -> DeliveryError:
        raise super().read_error(response) from ValueError(f"Bearer {self.bearer()} was not taken")


class LeaksInError(Good):
    kind = "leaksinerror"

    def read_error(self, response: HttpResponse) -> DeliveryError:
        error = super().read_error(response)
        return type(error)(f"{error} for {self.bearer()}", retry_after=error.retry_after)


class LogsItsToken(Good):
    kind = "logsitstoken"

    def build_request(self, alert: Alert) -> HttpRequest:
        request = super().build_request(alert)
        logging.getLogger("samples").debug("sending %s", request.headers)
        return request


class LosesRetryAfter(Good):
    kind = "losesretryafter"

    def read_error(self, response: HttpResponse) -> DeliveryError:
        return type(super().read_error(response))(f"answered {response.status}")


class MakesNewKeys(Good):
    kind = "makesnewkeys"

    def build_request(self, alert: Alert) -> HttpRequest:
        request = super().build_request(alert)
        return HttpRequest(
            request.method, request.url, {**request.headers, "Idempotency-Key": str(uuid.uuid4())}, request.content
        )


class NeverCuts(Good):
    kind = "nevercuts"

    def body(self, alert: Alert) -> dict[str, object]:
        return super().body(alert) | {"text": escape(printable(alert.message))}


class NotThreadSafe(Good):
    kind = "notthreadsafe"

    def build_request(self, alert: Alert) -> HttpRequest:
        self.alert = alert
        time.sleep(0.01)
        return super().build_request(self.alert)


class PlainToken(Good):
    kind = "plaintoken"
    token: str = option(help="the API's token")  # type: ignore[assignment]  # that is what is bad

    def bearer(self) -> str:
        return self.token


class PrintsItsToken(Good):
    kind = "printsitstoken"

    def build_request(self, alert: Alert) -> HttpRequest:
        print("sending with", self.bearer())  # noqa: T201 - that is what is bad
        return super().build_request(alert)


def is_bearer(_: object, __: object, value: Secret) -> None:
    if value.reveal().startswith("http") or "\n" in value.reveal():
        raise ValueError(f"{value.reveal().partition('=')[2]} is no token")


class QuotesItsToken(Good):
    """Its validator quotes a part of it, which no masking knows."""

    kind = "quotesitstoken"
    token: Secret = option(validator=is_bearer, help="the API's token")


class RaisesAnything(Good):
    kind = "raisesanything"

    def send(self, alert: Alert) -> Receipt:
        try:
            return super().send(alert)
        except UncertainDeliveryError as error:
            if error.status != 500:
                raise
            raise ConnectionError(str(error)) from None


class ReadsSecondsOnly(Good):
    kind = "readssecondsonly"

    def read_error(self, response: HttpResponse) -> DeliveryError:
        error = super().read_error(response)
        error.retry_after = float(response.headers.get("retry-after", "0"))
        return error


class RepeatsItself(Good):
    kind = "repeatsitself"

    def exchange(self, request: HttpRequest) -> HttpResponse:
        response = super().exchange(request)
        return super().exchange(request) if response.status == 500 else response


class RetriesWrongCredentials(Good):
    kind = "retrieswrongcredentials"

    def read_error(self, response: HttpResponse) -> DeliveryError:
        return RetryableDeliveryError("try again") if response.status == 401 else super().read_error(response)


class SendsItsTokenTwice(Good):
    kind = "sendsitstokentwice"

    def body(self, alert: Alert) -> dict[str, object]:
        return super().body(alert) | {"debug": repr(self.bearer())}


class SendsMarkup(Good):
    kind = "sendsmarkup"

    def body(self, alert: Alert) -> dict[str, object]:
        return super().body(alert) | {"title": truncate(printable(alert.title).strip("\u200b") or "Alert", 200)}


class SendsNothingVisible(Good):
    kind = "sendsnothingvisible"

    def body(self, alert: Alert) -> dict[str, object]:
        return super().body(alert) | {"title": escape(truncate(printable(alert.title), 200, render=escape))}


class SharesItsAddress(Good):
    kind = "sharesitsaddress"
    address: ClassVar[dict[str, str]] = {}

    def build_request(self, alert: Alert) -> HttpRequest:
        request = super().build_request(alert)
        url = self.address.setdefault(self.name, request.url)
        return HttpRequest(request.method, url, request.headers, request.content)

    def close(self) -> None:
        super().close()
        self.address.clear()


class ShowsItsToken(Good):
    kind = "showsitstoken"

    def __repr__(self) -> str:
        return f"ShowsItsToken({self.bearer()})"


class Swallows429(Good):
    kind = "swallows429"

    def receive(self, response: HttpResponse) -> Receipt:
        return Receipt() if response.status == 429 else super().receive(response)


class TakesFalseForTrue(Good):
    kind = "takesfalsefortrue"

    def read_response(self, response: HttpResponse) -> Receipt:
        return Receipt(id=response.json().get("id"))


class TrustsEveryone(Good):
    kind = "trustseveryone"

    def _connected(self, url: Any) -> Any:
        pool: Any = super()._connected(url)
        pool._pool._ssl_context = ssl._create_unverified_context()
        return pool


class UsesItsParentsConnection(Good):
    kind = "usesitsparentsconnection"

    def _forget(self) -> None:
        pass
