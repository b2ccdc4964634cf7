"""The kind passes the contract that every transport passes."""

import json
import re
from datetime import datetime
from typing import ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, TransportContract


def refusal(*errors: str, status: int = 400) -> Reply:
    """PagerDuty's no."""
    return Reply(status, json={"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)})


class TestPagerDuty(TransportContract):
    """The Events API v2."""

    kind = "pagerduty"
    options: ClassVar[dict[str, str]] = {"routing_key": CANARY, "api_url": "https://events.pagerduty.com/v2"}
    replies = ProviderReplies(
        ok=Reply(202, json={"status": "success", "message": "Event processed", "dedup_key": "disk-db1"}),
        rejected=refusal("'payload.source' is missing or blank", status=202),
        bad_request=refusal("Length of 'routing_key' is incorrect (should be 32 characters)"),
        rate_limited=Reply(429, text="Request Limit Exceeded"),
        server_error=Reply(500, json={"status": "Unrecognized object", "message": "Event object format", "errors": []}),
        others={
            "no JSON": Reply(400, json={"status": "Unrecognized object", "message": "…"}, outcome="permanent"),
            "200 with the words of a yes": Reply(200, json={"status": "success"}, outcome="uncertain"),
            "202 of something else": Reply(202, json={"status": "ok"}, outcome="uncertain"),
        },
    )
    canary_on_wire = ("body:routing_key",)
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        """As the Events API v2 would, as far as its documentation says."""
        assert request.method == "POST"
        assert request.path == "/v2/enqueue"
        assert len(request.body) <= 512_000
        event = json.loads(request.body.decode("utf-8"))
        assert re.fullmatch(r"[A-Za-z0-9]{32}", event["routing_key"])
        assert 0 < len(event["dedup_key"]) <= 255
        if event["event_action"] in ("acknowledge", "resolve"):
            assert event.keys() == {"routing_key", "event_action", "dedup_key"}
            return
        assert event["event_action"] == "trigger"
        payload = event["payload"]
        assert 0 < len(payload["summary"].strip()) <= 1024
        assert payload["source"].strip()
        assert payload["severity"] in {"critical", "error", "warning", "info"}
        assert datetime.fromisoformat(payload["timestamp"]).tzinfo is not None
        assert isinstance(payload["custom_details"], dict)
