"""The mails that SendGrid gets: valid whatever the alert is, and the same bytes again."""

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alert_core import Alert, Secret, Severity, Status
from alert_core.mail import Mailbox, headers, mail
from alert_sendgrid.payload import categories, message

SENDER = Mailbox.parse("Alerts <alerts@example.com>")
RECIPIENTS = (Mailbox.parse("ops@example.com"), Mailbox.parse("Séc, Team <sec@example.com>"))
RESERVED = {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
RESERVED |= {"to", "from", "subject", "reply-to", "cc", "bcc"}
CANARY = "payloadCanary7QzX9"
KNOWN = Secret(CANARY)  # kept, and so known to masking

texts = st.text(st.characters(exclude_categories=()), max_size=200)  # lone surrogates and controls too
words = texts | st.sampled_from(["\r\nBcc: x@evil.example", "<script>x</script>", "🚨" * 300, CANARY, f"key={CANARY}"])
present = words.filter(str.strip)
alerts = st.builds(
    Alert,
    present,
    present,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | words,
    tags=st.lists(words | st.sampled_from(["eu", "EU", "a b"]), max_size=20),
    metadata=st.dictionaries(words, words | st.floats() | st.lists(words, max_size=2), max_size=5),
    url=st.none() | st.from_regex(r"https://[a-z\"<>]{1,9}/\S{0,30}", fullmatch=True),
    dedup_key=st.none() | words,
    id=st.none() | st.text(max_size=20) | st.just("x" * 300),
    request_id=st.none() | words,
)


def body(alert: Alert, *, sender: Mailbox = SENDER, recipients: Iterable[Mailbox] = RECIPIENTS) -> dict[str, Any]:
    """The body as it goes over the wire."""
    made = message(alert, sender=sender, recipients=recipients)
    found: dict[str, Any] = json.loads(json.dumps(made, ensure_ascii=False, allow_nan=False).encode())
    return found


@given(alerts)
@example(Alert("t" * 10**5, "é" * 10**6, metadata={f"k{i}": "v" * 10**4 for i in range(500)}, tags=["x" * 10**5]))
def test_any_alert_is_mail_within_every_limit_of_sendgrid(alert: Alert) -> None:
    found = body(alert)
    fields = {"personalizations", "from", "subject", "content", "headers", "tracking_settings"}
    assert found.keys() - {"categories"} == fields
    assert re.fullmatch(r"[^\x00-\x1f\x7f\u2028\u2029]{1,200}", found["subject"])
    assert [part["type"] for part in found["content"]] == ["text/plain", "text/html"]
    assert all(part["value"] for part in found["content"])
    assert not {name.lower() for name in found["headers"]} & RESERVED
    for name, value in found["headers"].items():
        assert re.fullmatch(r"[A-Za-z-]+: [\x21-\x7e]+", f"{name}: {value}")
    for sent in found["personalizations"]:
        assert len(json.dumps(sent.get("custom_args", {})).encode()) < 10_000
    assert 1 <= len(found.get("categories", ["one"])) <= 10
    assert all(1 <= len(name) <= 255 and name.isascii() for name in found.get("categories", []))
    assert len(set(found.get("categories", []))) == len(found.get("categories", []))
    assert len(json.dumps(found)) < 30_000_000


@given(alerts)
def test_subject_text_and_html_are_those_of_every_mail(alert: Alert) -> None:
    found, said = body(alert), mail(alert)
    assert (found["subject"], *(part["value"] for part in found["content"])) == (said.subject, said.text, said.html)
    assert found["headers"] == headers(alert, "example.com")


@given(alerts)
def test_the_same_alert_gives_the_same_bytes_also_after_a_queue(alert: Alert) -> None:
    assert json.dumps(body(alert)) == json.dumps(body(alert))
    again = Alert.from_dict(alert.to_dict())
    if again == alert:  # NaN in metadata is unlike itself
        assert json.dumps(body(again)) == json.dumps(body(alert))


@given(alerts)
def test_no_credential_is_in_the_mail(alert: Alert) -> None:
    assert CANARY not in json.dumps(body(alert))


def test_each_recipient_gets_a_mail_of_their_own() -> None:
    assert body(Alert("t", "m", id="0b0e"))["personalizations"] == [
        {"to": [{"email": "ops@example.com"}], "custom_args": {"alert_id": "0b0e"}},
        {"to": [{"email": "sec@example.com", "name": "Séc Team"}], "custom_args": {"alert_id": "0b0e"}},
    ]


@pytest.mark.parametrize("id_", ["two words", "é", "x" * 256])
def test_an_id_that_is_no_plain_word_is_left_out(id_: str) -> None:
    assert all("custom_args" not in sent for sent in body(Alert("t", "m", id=id_))["personalizations"])


@given(st.text(max_size=70))
def test_a_recipients_name_has_no_comma_and_no_semicolon(name: str) -> None:
    try:
        mailbox = Mailbox.parse(f"{name} <ops@example.com>")
    except ValueError:
        return
    ((sent,),) = (found["to"] for found in body(Alert("t", "m"), recipients=[mailbox])["personalizations"])
    assert not set(sent.get("name", "x")) & set(";,\r\n")
    assert sent.get("name", "x").strip()


@pytest.mark.parametrize(
    ("given_name", "sent"),
    [
        ("Alerts", {"email": "a@b.c", "name": "Alerts"}),
        ("Alerts, Inc.", {"email": "a@b.c", "name": "Alerts, Inc."}),
        ("Alertas São", {"email": "a@b.c"}),
        ("", {"email": "a@b.c"}),
    ],
)
def test_the_senders_name_is_left_out_where_sendgrid_does_not_take_it(given_name: str, sent: dict[str, str]) -> None:
    assert body(Alert("t", "m"), sender=Mailbox("a@b.c", given_name))["from"] == sent


def test_tags_become_categories_each_once() -> None:
    assert body(Alert("t", "m", tags=["payments", "EU", "eu", "db primary"]))["categories"] == [
        "payments",
        "EU",
        "db primary",
    ]
    assert "categories" not in body(Alert("t", "m"))


def test_tags_that_no_category_can_be_are_left_out_and_so_is_the_eleventh() -> None:
    assert categories(["é", "", " ", " a", "a\n", "x" * 256, "x" * 255, "a"]) == ["x" * 255, "a"]
    assert categories([f"tag-{n}" for n in range(12)]) == [f"tag-{n}" for n in range(10)]


def test_links_are_not_rewritten_and_nobody_can_unsubscribe_by_accident() -> None:
    settings = body(Alert("t", "m"))["tracking_settings"]
    assert settings["click_tracking"] == {"enable": False, "enable_text": False}
    assert settings["open_tracking"] == settings["subscription_tracking"] == {"enable": False}


def test_a_resolve_stands_in_the_thread_of_its_firing() -> None:
    firing = Alert("Disk full", "x")
    resolved = firing.evolve(status="resolved")
    assert body(resolved)["headers"]["References"] == body(firing)["headers"]["References"]
    assert body(resolved)["subject"] == "[RESOLVED] Disk full"
