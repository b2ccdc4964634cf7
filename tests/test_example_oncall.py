"""The configuration of examples/oncall: who gets which text."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_core import Alert, Dispatcher
from alert_core.testing import HttpStandIn, Reply

EXAMPLE = Path(__file__).parents[1] / "examples" / "oncall" / "alerts.toml"
LEAD = "+244923000000"
TEAM = [LEAD, "+244912000001"]
BROKEN = "Error rate exceeded 5% for 3 consecutive minutes"
FULL = "Connection pool at 85% capacity"


@pytest.fixture
def castbrick() -> Iterator[HttpStandIn]:
    """CastBrick on loopback; its count of recipients is left out, since it answers for both targets."""
    with HttpStandIn(Reply(json={"messageId": "a0", "status": "Queued", "error": None})) as server:
        yield server


@pytest.fixture
def dispatcher(castbrick: HttpStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dispatcher]:
    """What the example configures, but for CastBrick's address."""
    monkeypatch.setenv("CASTBRICK_API_KEY", "cb_live_example")
    document = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    for target in document["targets"].values():
        target["api_url"] = f"http://127.0.0.1:{castbrick.port}/v1"
    with Dispatcher.from_config(document) as made:
        yield made


@pytest.mark.parametrize(
    ("severity", "status", "source", "description", "recipients", "text"),
    [
        ("critical", "firing", "payments-api", BROKEN, TEAM, f"🚨 [CRITICAL] payments-api: {BROKEN}"),
        ("critical", "resolved", "payments-api", BROKEN, TEAM, f"✅ [RESOLVED] payments-api: {BROKEN}"),
        ("error", "firing", "database", FULL, [LEAD], f"🔴 [ERROR] database: {FULL}"),
        ("warning", "firing", "database", FULL, [LEAD], f"⚠️ [WARNING] database: {FULL}"),
    ],
)
def test_the_recipients_and_their_text_follow_the_severity(
    castbrick: HttpStandIn, dispatcher: Dispatcher, severity: str, status: str, source: str, description: str,
    recipients: list[str], text: str,
) -> None:  # fmt: skip
    report = dispatcher.send(Alert(description, description, severity=severity, status=status, source=source))
    assert report.ok
    (received,) = castbrick.received
    assert received.path == "/v1/sms/send"
    assert received.headers["authorization"] == "Bearer cb_live_example"
    assert json.loads(received.body) == {"recipients": recipients, "content": text, "senderId": "Alerts"}


def test_an_info_goes_to_nobody_on_purpose(castbrick: HttpStandIn, dispatcher: Dispatcher) -> None:
    report = dispatcher.send(Alert("Deployed", "Deployed", severity="info", source="payments-api"))
    assert report.ok
    assert report.deliveries == ()
    assert castbrick.received == []


def test_the_example_is_a_configuration_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASTBRICK_API_KEY", "cb_live_example")
    with Dispatcher.from_config(EXAMPLE) as made:
        assert set(made.targets) == {"team", "lead"}
