"""The mail that Resend gets: valid whatever the alert is, and the same bytes again."""

import json
import re
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alert_core import Alert, Secret, Severity, Status
from alert_core.mail import Mailbox, headers, mail
from alert_resend.payload import address, idempotency_key, message

SENDER = Mailbox.parse("Alerts <alerts@example.com>")
RECIPIENTS = (Mailbox.parse("ops@example.com"), Mailbox.parse("Séc, Team <sec@example.com>"))
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
    tags=st.lists(words, max_size=5),
    metadata=st.dictionaries(words, words | st.floats() | st.lists(words, max_size=2), max_size=5),
    url=st.none() | st.from_regex(r"https://[a-z\"<>]{1,9}/\S{0,30}", fullmatch=True),
    dedup_key=st.none() | words,
    id=st.none() | st.text(max_size=20) | st.just("x" * 300),
    request_id=st.none() | words,
)


def body(alert: Alert) -> dict[str, Any]:
    """The body as it goes over the wire."""
    made = message(alert, sender=SENDER, recipients=RECIPIENTS)
    found: dict[str, Any] = json.loads(json.dumps(made, ensure_ascii=False, allow_nan=False).encode())
    return found


@given(alerts)
@example(Alert("t" * 10**5, "é" * 10**6, metadata={f"k{i}": "v" * 10**4 for i in range(500)}, tags=["x" * 10**5]))
def test_any_alert_is_a_mail_within_every_limit_of_resend(alert: Alert) -> None:
    found = body(alert)
    assert found.keys() - {"tags"} == {"from", "to", "subject", "text", "html", "headers"}
    assert 1 <= len(found["to"]) <= 50
    assert re.fullmatch(r"[^\x00-\x1f\x7f\u2028\u2029]{1,200}", found["subject"])
    for name, value in found["headers"].items():
        assert re.fullmatch(r"[A-Za-z-]+: [\x21-\x7e]+", f"{name}: {value}")
    for tag in found.get("tags", []):
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", tag[field]) for field in ("name", "value"))
    assert len(json.dumps(found)) < 40_000_000


@given(alerts)
def test_subject_text_and_html_are_those_of_every_mail(alert: Alert) -> None:
    found, said = body(alert), mail(alert)
    assert (found["subject"], found["text"], found["html"]) == (said.subject, said.text, said.html)
    assert found["headers"] == headers(alert, "example.com")


@given(alerts)
def test_the_same_alert_gives_the_same_bytes_also_after_a_queue(alert: Alert) -> None:
    assert json.dumps(body(alert)) == json.dumps(body(alert))
    again = Alert.from_dict(alert.to_dict())
    if again == alert:  # NaN in metadata is unlike itself
        assert json.dumps(body(again)) == json.dumps(body(alert))
        assert idempotency_key(again, "mail") == idempotency_key(alert, "mail")


@given(alerts)
def test_no_credential_is_in_the_mail(alert: Alert) -> None:
    assert CANARY not in json.dumps(body(alert))


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_key_is_one_alerts_and_one_targets_and_fits_the_header(one: str, other: str) -> None:
    alert = Alert("t", "m", id=one)
    assert re.fullmatch(r"[0-9a-f]{1,256}", idempotency_key(alert, other))
    assert idempotency_key(alert, other) != idempotency_key(alert, other + "x")
    assert idempotency_key(alert, other) != idempotency_key(Alert("t", "m", id=f"{alert.id}x"), other)


def test_a_resolve_has_a_key_of_its_own_and_the_thread_of_its_firing() -> None:
    firing = Alert("Disk full", "x")
    resolved = firing.evolve(status="resolved")
    assert idempotency_key(resolved, "mail") != idempotency_key(firing, "mail")
    assert body(resolved)["headers"]["References"] == body(firing)["headers"]["References"]
    assert body(resolved)["subject"] == "[RESOLVED] Disk full"


@pytest.mark.parametrize("change", [{"severity": "critical"}, {"message": "y"}, {"metadata": {"host": "db1"}}])
def test_an_alert_that_says_something_else_by_now_has_another_key_under_the_same_id(change: dict[str, Any]) -> None:
    first = Alert("Disk full", "x")
    assert first.evolve(**change).id == first.id
    assert idempotency_key(first.evolve(**change), "mail") != idempotency_key(first, "mail")


def test_the_alerts_id_is_a_tag_where_it_can_be_one() -> None:
    assert body(Alert("t", "m", id="0b0e-6c9a"))["tags"] == [{"name": "alert_id", "value": "0b0e-6c9a"}]
    assert "tags" not in body(Alert("t", "m", id="order 7"))
    assert "tags" not in body(Alert("t", "m", id="é"))


@pytest.mark.parametrize(
    ("given_name", "written"),
    [
        ("", "a@b.c"),
        ("Ops", "Ops <a@b.c>"),
        ("Ops Night", "Ops Night <a@b.c>"),
        ("Séc Équipe", "Séc Équipe <a@b.c>"),
        ("Ops, Night", '"Ops, Night" <a@b.c>'),
        ('Ops "Night"', '"Ops \\"Night\\"" <a@b.c>'),
        ("back\\slash", '"back\\\\slash" <a@b.c>'),
    ],
)
def test_a_name_is_written_as_it_is_and_quoted_where_it_must(given_name: str, written: str) -> None:
    assert address(Mailbox("a@b.c", given_name)) == written


@given(st.text(max_size=70))
def test_a_name_cannot_make_an_address(name: str) -> None:
    try:
        mailbox = Mailbox.parse(f"{name} <ops@example.com>")
    except ValueError:
        return
    assert parseaddr(address(mailbox)) == (mailbox.name, "ops@example.com")
