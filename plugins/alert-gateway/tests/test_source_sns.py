"""SNS: alarms in its envelopes, signatures by a certificate of Amazon's alone, subscriptions of our topics alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import URLError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from alert_core import Alert, Severity
from alert_gateway import amazon
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, TryLaterError, UnknownShapeError
from alert_gateway.sources.sns import SIGNED, authenticate, delivery_id, parse

TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
OTHER = "arn:aws:sns:us-east-1:999999999999:alarms"
CERTIFICATE = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem"
NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
ALARM: dict[str, Any] = {
    "AlarmName": "cpu-web",
    "AlarmDescription": "See the runbook of web.",
    "AWSAccountId": "123456789012",
    "NewStateValue": "ALARM",
    "OldStateValue": "OK",
    "NewStateReason": "Threshold Crossed: 1 datapoint (97.5) was greater than the threshold (95.0).",
    "StateChangeTime": "2026-03-04T05:06:07.891+0000",
    "Region": "US East (N. Virginia)",
    "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu-web",
    "Trigger": {
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/EC2",
        "Dimensions": [{"name": "InstanceId", "value": "i-0a1b"}],
    },
}
OURS = SourceTable(topics=(TOPIC,))
UNSIGNED = SourceTable(verify=False)


def envelope(message: object, **more: object) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "c50a118a-407b-4482-b4ea-bd16b2db82db",
        "TopicArn": TOPIC,
        "Subject": 'ALARM: "cpu-web" in US East (N. Virginia)',
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": NOW,
        **more,
    }


CONFIRMATION: dict[str, Any] = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "TopicArn": TOPIC,
    "Token": "2336412f37",
    "Message": "You have chosen to subscribe.",
    "SubscribeURL": "https://evil.example.org/?Action=ConfirmSubscription",
    "Timestamp": NOW,
}


def told(body: object, settings: SourceTable = UNSIGNED) -> Parsed:
    return parse(json.dumps(body).encode(), {"content-type": "text/plain; charset=UTF-8"}, {}, settings)


def one(body: object, settings: SourceTable = UNSIGNED) -> Alert:
    (alert,) = told(body, settings)
    return alert


def test_an_alarm_says_what_who_is_woken_needs() -> None:
    alert = one(envelope(ALARM))
    assert (alert.title, alert.message) == ("cpu-web", f"{ALARM['NewStateReason']}\n\nSee the runbook of web.")
    assert (alert.severity, alert.status) == ("warning", "firing")
    assert alert.dedup_key == "sns:123456789012:us-east-1:cpu-web"
    assert alert.url == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/cpu-web"
    )
    assert alert.created_at == datetime(2026, 3, 4, 5, 6, 7, 891000, UTC)
    assert alert.metadata == {
        "region": "US East (N. Virginia)",
        "account": "123456789012",
        "namespace": "AWS/EC2",
        "metric": "CPUUtilization",
        "InstanceId": "i-0a1b",
    }


@pytest.mark.parametrize(
    ("state", "status"), [("OK", "resolved"), ("ALARM", "firing"), ("INSUFFICIENT_DATA", "firing")]
)
def test_ok_resolves_an_alarm(state: str, status: str) -> None:
    alert = one(envelope({**ALARM, "NewStateValue": state}))
    assert (alert.status, alert.dedup_key) == (status, one(envelope(ALARM)).dedup_key)
    assert alert.metadata.get("state") == ("INSUFFICIENT_DATA" if state == "INSUFFICIENT_DATA" else None)


@pytest.mark.parametrize(
    ("severities", "severity"),
    [
        ({"cpu-web": Severity.CRITICAL}, "critical"),
        ({"db-*": Severity.CRITICAL, "cpu-*": Severity.ERROR, "*": Severity.INFO}, "error"),
        ({"CPU-*": Severity.CRITICAL}, "warning"),
    ],
    ids=range(3),
)
def test_the_configuration_says_how_bad_an_alarm_is(severities: dict[str, Severity], severity: str) -> None:
    settings = SourceTable(verify=False, severities=severities)
    assert one(envelope(ALARM), settings).severity == severity
    assert one(envelope({**ALARM, "NewStateValue": "OK"}), settings).severity == severity


def test_a_bare_alarm_takes_account_and_region_from_its_topic() -> None:
    alert = one(envelope({"AlarmName": "cpu & web", "NewStateValue": "ALARM"}))
    assert (alert.title, alert.dedup_key) == ("cpu & web", "sns:123456789012:us-east-1:cpu & web")
    assert str(alert.url).endswith("#alarmsV2:alarm/cpu%20%26%20web")


def test_raw_message_delivery_leaves_the_envelope_out() -> None:
    assert one(ALARM).dedup_key == one(envelope(ALARM)).dedup_key
    assert one({"AlarmName": "a"}).url is None


@pytest.mark.parametrize(
    ("message", "subject", "title", "text"),
    [
        ("The budget is spent.\nAll of it.", "Budgets", "Budgets", "The budget is spent.\nAll of it."),
        ("The budget is spent.\nAll of it.", None, "The budget is spent.", "The budget is spent.\nAll of it."),
        ('{"detail-type": "GuardDuty Finding", "source": "aws.guardduty"}', None, "GuardDuty Finding", None),
        ("", None, "Alert from sns", "Alert from sns"),
    ],
    ids=range(4),
)
def test_what_is_no_alarm_is_its_subject_and_its_text(
    message: str, subject: str | None, title: str, text: str | None
) -> None:
    alert = one(envelope(message, Subject=subject))
    assert (alert.title, alert.message, alert.status) == (title, text or message, "firing")


def test_the_end_of_a_subscription_is_told() -> None:
    alert = one({**CONFIRMATION, "Type": "UnsubscribeConfirmation"})
    assert alert.title == "The SNS topic alarms no longer sends to this gateway"


@pytest.mark.parametrize("body", [{}, {"Type": "Other"}, {"Message": "x"}, [], "text", None], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        told(body)


def test_a_message_is_known_again() -> None:
    body = json.dumps(envelope(ALARM)).encode()
    assert delivery_id(body, {}) == "c50a118a-407b-4482-b4ea-bd16b2db82db"
    assert delivery_id(body, {"x-amz-sns-message-id": "unsigned"}) == "c50a118a-407b-4482-b4ea-bd16b2db82db"
    assert delivery_id(json.dumps(ALARM).encode(), {"x-amz-sns-message-id": "m1"}) == "m1"


class Amazon:
    """What Amazon answers: certificates, and a yes to a confirmation."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked: list[str] = []
        self.pem = self.certified(datetime.now(UTC) - timedelta(days=1))
        self.fails = False

    def certified(self, since: datetime) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        made = x509.CertificateBuilder(name, name, self.key.public_key(), 7, since, since + timedelta(days=2))
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.fails:
            raise URLError("no route to canary")
        return self.pem

    def signed(self, message: dict[str, Any], version: str = "2", *, url: str = CERTIFICATE) -> bytes:
        """The message as SNS sends it: signed over these fields, in this order, by its documentation."""
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if message["Type"] != "Notification":
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = base64.b64encode(self.key.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()
        more = {"SignatureVersion": version, "Signature": signature, "SigningCertURL": url}
        return json.dumps(message | more).encode()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    there = Amazon()
    monkeypatch.setattr(amazon, "fetch", there.fetch)
    amazon.certificate.cache_clear()
    yield there
    amazon.certificate.cache_clear()
    amazon._failed.clear()


def proved(body: bytes, settings: SourceTable = OURS) -> bool:
    return authenticate(body, {}, {}, settings)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("message", [envelope(ALARM), envelope(" é\n", Subject=None), CONFIRMATION], ids=range(3))
def test_a_signed_message_of_our_topic_is_proved(aws: Amazon, message: dict[str, Any], version: str) -> None:
    body = aws.signed(message, version)
    assert proved(body)
    assert proved(body)
    assert aws.asked == [CERTIFICATE]


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "Signature", "SignatureVersion"])
def test_a_message_that_was_changed_is_not_proved(aws: Amazon, name: str) -> None:
    message = json.loads(aws.signed(envelope(ALARM)))
    for other in ("other", None, 7, "MQ==", "1"):
        assert not proved(json.dumps({**message, name: other}).encode())


def test_only_our_topics_are_proved_and_only_where_signatures_are_asked_for(aws: Amazon) -> None:
    body = aws.signed(envelope(ALARM))
    assert not proved(aws.signed(envelope(ALARM, TopicArn=OTHER)))
    assert not proved(body, SourceTable())
    assert not proved(body, SourceTable(verify=False, topics=(TOPIC,)))
    assert not proved(b"[]")
    assert aws.asked == []
    assert SIGNED


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example.org/SimpleNotificationService-0a1b2c.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example.org/SimpleNotificationService-0a1b2c.pem",
        "https://sns.us-east-1.amazonaws.com:444/SimpleNotificationService-0a1b2c.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0a1b2c.pem",
        "https://sns.us-east-1.amazonaws.com/?Action=Publish#SimpleNotificationService-0a1b2c.pem",
        "https://sns.us-east-1.amazonaws.com/x/../SimpleNotificationService-0a1b2c.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem\n",
        "file:///etc/passwd",
        "",
    ],
)
def test_no_url_but_a_certificates_at_the_topics_own_host_is_fetched(aws: Amazon, url: str) -> None:
    assert not proved(aws.signed(envelope(ALARM), url=url))
    assert aws.asked == []


def test_a_certificate_that_has_run_out_proves_nothing(aws: Amazon) -> None:
    aws.pem = aws.certified(datetime.now(UTC) - timedelta(days=30))
    assert not proved(aws.signed(envelope(ALARM)))


def test_a_certificate_that_cannot_be_had_is_asked_for_again_some_seconds_later(aws: Amazon) -> None:
    body, aws.fails = aws.signed(envelope(ALARM)), True
    with pytest.raises(TryLaterError, match=r"^the certificate of SNS cannot be had \(URLError\)$"):
        proved(body)
    with pytest.raises(TryLaterError, match=r"some seconds ago$"):
        proved(body)
    assert aws.asked == [CERTIFICATE]
    amazon._failed[CERTIFICATE] = 0.0
    aws.fails = False
    assert proved(body)


def test_one_certificate_is_fetched_at_a_time_and_the_others_are_told_to_come_again(
    aws: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, others = aws.signed(envelope(ALARM)), list[str]()

    def fetch(_url: str) -> bytes:
        for url in (CERTIFICATE, CERTIFICATE.replace("0a1b2c", "invented")):
            with pytest.raises(TryLaterError, match=r"is being fetched$") as told:
                proved(aws.signed(envelope(ALARM), url=url))
            others.append(str(told.value))
        return aws.pem

    monkeypatch.setattr(amazon, "fetch", fetch)
    assert proved(body)
    assert len(others) == 2


@pytest.mark.parametrize("change", [{"Signature": ""}, {"Signature": "MQ=="}, {"SignatureVersion": "3"}], ids=str)
def test_for_what_is_no_signature_no_certificate_is_fetched(aws: Amazon, change: dict[str, str]) -> None:
    assert not proved(json.dumps(json.loads(aws.signed(envelope(ALARM))) | change).encode())
    assert aws.asked == []


@pytest.mark.parametrize(("hours", "is_proved"), [(23, True), (25, False)])
def test_a_message_is_proved_for_a_day_which_is_as_long_as_its_id_is_known(
    aws: Amazon, hours: int, is_proved: bool
) -> None:
    made = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    assert proved(aws.signed(envelope(ALARM, Timestamp=made))) is is_proved


def test_the_subscription_of_our_topic_is_confirmed_at_amazon_whatever_url_it_names(aws: Amazon) -> None:
    assert (len(found := told(CONFIRMATION, OURS)), found.ignored) == (0, 1)
    (url,) = aws.asked
    assert url == (
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"
        "&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A123456789012%3Aalarms&Token=2336412f37"
    )


@pytest.mark.parametrize(
    "settings", [SourceTable(verify=False, topics=(TOPIC,)), SourceTable(topics=(OTHER,))], ids=range(2)
)
def test_any_other_subscription_is_ignored(aws: Amazon, settings: SourceTable) -> None:
    assert (len(found := told(CONFIRMATION, settings)), found.ignored) == (0, 1)
    assert aws.asked == []


def test_a_confirmation_that_fails_is_told(aws: Amazon) -> None:
    aws.fails = True
    alert = one(CONFIRMATION, OURS)
    assert alert.title == "The subscription of the SNS topic alarms is not confirmed"
    assert "canary" not in alert.message
    assert "SNS console" in alert.message
