"""PagerDuty's Events API v2: one endpoint a region, and an answer that names what it refuses."""

from __future__ import annotations

import re
from typing import Any, Final

from alert_core import Alert, DeliveryError, Receipt, Secret, option
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, error_for, secure_url
from alert_pagerduty.payload import event

_ACCEPTED: Final = 202
_LENGTH: Final = 32
_REGIONS: Final = {"us": "https://events.pagerduty.com/v2", "eu": "https://events.eu.pagerduty.com/v2"}
"""support.pagerduty.com/docs/service-regions."""
_REFUSALS: Final = frozenset({"invalid event", "Unrecognized object"})
_REASON: Final = re.compile(
    r"'(?:payload|(?:payload\.)?(?:routing_key|event_action|dedup_key|summary|source|severity|timestamp|component|group"
    r"|class|custom_details|client|client_url|links|images))' (?:is missing or blank|is invalid|is too long"
    r"|cannot contain non-alphanumeric characters)"
    r"|Length of 'routing_key' is incorrect|Invalid routing key|JSON parse error"
)
"""How PagerDuty's errors begin. The rest of one may quote the event, and is not told."""
_ADVICE: Final = "use the Integration Key of an Events API v2 integration, and the region of its account"


def _routing_key(_: object, __: object, value: Secret) -> None:
    key = value.reveal()
    if len(key) != _LENGTH:
        raise ValueError(f"Length of 'routing_key' is incorrect (should be {_LENGTH} characters); {_ADVICE}")
    if not (key.isascii() and key.isalnum()):
        raise ValueError(f"'routing_key' cannot contain non-alphanumeric characters; {_ADVICE}")


def _region(_: object, __: object, value: str) -> None:
    if value not in _REGIONS:
        raise ValueError(f"must be one of {', '.join(_REGIONS)}")


class PagerDutyTransport(HttpTransport):
    """Trigger, acknowledge and resolve PagerDuty alerts through the Events API v2."""

    kind = "pagerduty"
    idempotency = "dedup_key"
    provider_rate = "60/1m"
    """PagerDuty takes about 120 events of an integration in any minute. A bucket of 60 fills while it is emptied, so
    that it lets 119 through in its first minute; one of 120 would let 239."""
    routing_key: Secret = option(
        env="ALERT_PAGERDUTY_ROUTING_KEY",
        validator=_routing_key,
        help="the Integration Key (32 characters) of an Events API v2 integration",
    )
    region: str = option(
        default="us", env="ALERT_PAGERDUTY_REGION", validator=_region, help="the account's service region: us or eu"
    )
    api_url: str | None = option(
        default=None,
        env="ALERT_PAGERDUTY_API_URL",
        validator=secure_url,
        help="base URL of the Events API; default: the region's",
    )

    def build_request(self, alert: Alert) -> HttpRequest:
        """The event, for the integration of the routing key."""
        base = self.api_url or _REGIONS[self.region]
        body = {"routing_key": self.routing_key.reveal(), **event(alert)}
        return HttpRequest.json(f"{base.rstrip('/')}/enqueue", body)

    def read_response(self, response: HttpResponse) -> Receipt:
        """Take 202 with the status `success` for a yes, and nothing else; the id is the dedup key."""
        body = response.json()
        if body["status"] in _REFUSALS:
            raise _refusal(response)
        if response.status != _ACCEPTED or body["status"] != "success":
            raise ValueError("not PagerDuty's answer")
        key = body.get("dedup_key")
        return Receipt(id=key if isinstance(key, str) else None)

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The HTTP status decides; the body names the reasons."""
        return _refusal(response)


def _refusal(response: HttpResponse) -> DeliveryError:
    """The error of an answer without a yes, with PagerDuty's own words as far as they are known."""
    body = _body(response)
    code = body.get("status")
    by_status = error_for(response, code if isinstance(code, str) and code in _REFUSALS else None)
    errors = body.get("errors")
    found = [_REASON.match(error) for error in errors if isinstance(error, str)] if isinstance(errors, list) else []
    reasons = list(dict.fromkeys(reason[0] for reason in found if reason))
    if any("routing" in reason for reason in reasons):
        reasons.append(_ADVICE)
    return type(by_status)(
        "; ".join([str(by_status), *reasons]),
        status=response.status,
        code=by_status.code,
        retry_after=by_status.retry_after,
    )


def _body(response: HttpResponse) -> dict[str, Any]:
    """The answer's object; empty where it is none."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else {}
