"""The kind `castbrick`: one call for all recipients, answered by one id."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from alert_core import Alert, DeliveryError, PermanentDeliveryError, Receipt, Secret, option
from alert_core.http import HttpRequest, HttpResponse, error_for, secure_url
from alert_sms.transport import SmsTransport, json_object, valid_credential, valid_segments, valid_sender

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,63}")
_REFUSED: Final = frozenset({"failed", "rejected", "cancelled", "canceled", "expired", "error"})
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ADVICE: Final = {
    401: "check api_key",
    402: "the account has not enough credits: top it up",
    403: "give the API key the scope send:sms",
    404: "check that api_url ends in the API's version, as /v1",
    422: "check the numbers, and that the sender_id is approved",
}


def _valid_moment(_: object, __: object, value: str) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        known = False
    else:
        known = _MOMENT.fullmatch(value) is not None
    if not known:
        raise ValueError("must be a time in ISO 8601 with its offset, as 2026-12-31T08:00:00+01:00")


class CastBrickTransport(SmsTransport):
    """Send alerts as SMS through CastBrick."""

    kind = "castbrick"
    api_key: Secret = option(env="CASTBRICK_API_KEY", validator=valid_credential, help="the API key (cb_live_…)")
    sender_id: str | None = option(
        default=None,
        env="ALERT_SMS_SENDER",
        shared=True,
        validator=valid_sender,
        help="the approved name that the text comes from; default: CastBrick's",
    )
    fallback: bool | None = option(
        default=None,
        help="whether CastBrick's own sender may stand in for sender_id; default: CastBrick's, which is true",
    )
    scheduled_at: str | None = option(
        default=None, validator=_valid_moment, help="when CastBrick sends it, in ISO 8601; default: at once"
    )
    max_segments: int = option(default=1, validator=valid_segments, help="segments that one text may take, 1 to 10")
    api_url: str = option(
        default="https://api.castbrick.co/v1",
        env="ALERT_CASTBRICK_API_URL",
        validator=secure_url,
        help="base URL of the API",
    )

    def build_request(self, alert: Alert) -> HttpRequest:
        """One message for all recipients."""
        body: dict[str, Any] = {
            "recipients": list(self.to),
            "content": self.text(alert),
            "senderId": self.sender_id,
            "scheduledAt": self.scheduled_at,
            "fallback": self.fallback,
        }
        given = {name: value for name, value in body.items() if value is not None}
        headers = {"Authorization": f"Bearer {self.api_key.reveal()}", "Accept": "application/json"}
        return HttpRequest.json(f"{self.api_url.rstrip('/')}/sms/send", given, headers=headers)

    def read_response(self, response: HttpResponse) -> Receipt:
        """A batch's id, unless an error, a failed status or too low a count of recipients stands beside it."""
        body = response.json()
        identifier, status, error = body.get("messageId") or body.get("id"), body.get("status"), body.get("error")
        if error or str(status).lower() in _REFUSED:
            code = _code(error or status)
            text = f"refused the message: {code}" if code else "refused the message; CastBrick's console says why"
            raise PermanentDeliveryError(text, status=response.status, code=code)
        if not isinstance(identifier, str) or not isinstance(status, str):
            raise ValueError("not CastBrick's answer")  # noqa: TRY004 - of any type, an answer not understood
        asked, taken = len(self.to), body.get("recipientCount")
        if isinstance(taken, int) and taken < asked:
            text = f"took the message for {taken} of {asked} recipients; check the numbers"
            raise PermanentDeliveryError(text, status=response.status)
        return Receipt(id=identifier, detail={"status": status, "recipients": asked})

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The status decides; the body names the reason."""
        error = error_for(response, _code(json_object(response).get("error")))
        advice = _ADVICE.get(response.status)
        text = f"{error}; {advice}" if advice else str(error)
        return type(error)(text, status=error.status, code=error.code, retry_after=error.retry_after)


def _code(value: object) -> str | None:
    """A word of CastBrick's. What does not look like one is not quoted: it may be anything."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None
