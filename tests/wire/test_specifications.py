"""What our transports send is what the vendors' published OpenAPI documents ask for, whatever the alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire.exchange import ALERTS, DOCUMENTS, Exchange, endpoint, moved, rewritten, without_header
from tests.wire.specification import Specification

from alert_core import Alert, Severity, Status
from alert_core.testing import Received

pytestmark = pytest.mark.needs(modules=["openapi_schema_validator", "yaml"])

OTHER_OPTIONS: Final[Mapping[str, list[dict[str, Any]]]] = {
    "castbrick": [
        {"sender_id": None, "fallback": None, "scheduled_at": None},
        {"to": ["+244923000000", "+351910000000"]},
    ],
    "resend": [{"to_emails": [f"ops{number}@example.com" for number in range(50)]}],
    "sendgrid": [{"to_emails": [f"ops{number}@example.com" for number in range(50)]}],
    "twilio": [{"sender": None, "messaging_service_sid": "MG" + "0a" * 16}, {"to": ["+15005550009", "+15005550010"]}],
    "vonage": [{"sender": "+447700900001", "to": ["+447700900000", "+12025550100"]}],
}
"""Options besides those of every other test, by which a request takes another form."""

text = st.one_of(
    st.text(max_size=300),
    st.builds(lambda part, times: part * times, st.text(min_size=1, max_size=20), st.integers(1, 300)),
)
title = text.filter(lambda given: given.strip() != "")
alerts = st.builds(
    Alert,
    title,
    title,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | text,
    dedup_key=st.none() | text,
    tags=st.lists(text, max_size=12),
    metadata=st.dictionaries(text, text | st.integers() | st.lists(text, max_size=3), max_size=12),
    url=st.none() | st.just("https://grafana.example.org/d/1?a=b&c=d"),
    request_id=st.none() | text,
)


class Judge:
    """A kind's transport, and what its vendor's document says of what it sends."""

    def __init__(self, kind: str, specs: Path, exchange: Exchange) -> None:
        self.kind, self.exchange = kind, exchange
        self.specification = Specification.read(specs / DOCUMENTS[kind])

    def faults(self, received: Received) -> list[str]:
        """As if it had gone to the vendor."""
        return self.specification.faults(moved(received.path, endpoint(self.kind)), received)


@pytest.fixture(scope="module", params=sorted(DOCUMENTS))
def judge(request: pytest.FixtureRequest, specs: Path) -> Iterator[Judge]:
    """The judge of each kind."""
    with Exchange(request.param) as exchange:
        yield Judge(request.param, specs, exchange)


@pytest.mark.parametrize("name", ALERTS)
def test_a_request_is_one_that_the_vendor_specifies(judge: Judge, name: str) -> None:
    sent = judge.exchange.send(ALERTS[name])
    assert sent
    assert [judge.faults(received) for received in sent] == [[]] * len(sent)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(alert=alerts)
def test_so_is_the_request_of_any_alert(judge: Judge, alert: Alert) -> None:
    for received in judge.exchange.send(alert):
        assert judge.faults(received) == []


def test_so_is_the_request_with_other_options(judge: Judge) -> None:
    for options in OTHER_OPTIONS[judge.kind]:
        with Exchange(judge.kind, **options) as exchange:
            sent = [received for alert in ALERTS.values() for received in exchange.send(alert)]
        assert [judge.faults(received) for received in sent] == [[]] * len(sent)


BREAKAGES: Final[Mapping[str, Callable[[Received], Received]]] = {
    "no field at all": lambda received: rewritten(received, dict.clear),
    "a field that the vendor does not name": lambda received: rewritten(
        received, lambda body: body.update(subjekt="x")
    ),
    "another path": lambda received: attrs.evolve(received, path=received.path + "s"),
    "another method": lambda received: attrs.evolve(received, method="PUT"),
    "no content type": lambda received: without_header(received, "content-type"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_request_is_found(judge: Judge, name: str) -> None:
    (received, *_) = judge.exchange.send(ALERTS["short"])
    assert judge.faults(BREAKAGES[name](received)) != []


@pytest.mark.parametrize("judge", ["castbrick", "resend", "sendgrid", "twilio"], indirect=True)
def test_a_request_without_credentials_is_found(judge: Judge) -> None:
    (received, *_) = judge.exchange.send(ALERTS["short"])
    (fault,) = judge.faults(without_header(received, "authorization"))
    assert fault.endswith("credentials")


@pytest.mark.parametrize(
    ("judge", "field", "value"),
    [
        ("castbrick", "recipients", "+244923000000"),
        ("resend", "to", []),
        ("sendgrid", "from", "alerts@example.com"),
        ("twilio", "MessagingServiceSid", "MG1"),
        ("vonage", "to", "+44"),
    ],
    indirect=["judge"],
)
def test_a_value_of_another_form_is_found(judge: Judge, field: str, value: object) -> None:
    (received, *_) = judge.exchange.send(ALERTS["short"])
    faults = judge.faults(rewritten(received, lambda body: body.update({field: value})))
    assert faults
    assert all(fault.startswith(f"body['{field}']") for fault in faults)
