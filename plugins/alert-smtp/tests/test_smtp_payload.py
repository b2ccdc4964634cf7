"""Any alert is a valid message: single-line headers, short lines, the same bytes twice."""

import email
import email.policy
import string
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, Severity, Status
from alert_core.mail import Mailbox, mail
from alert_smtp.payload import Message, address_header, build_message

SENDER = Mailbox.parse("Alerts <alerts@example.com>")
RECIPIENTS = (Mailbox.parse("ops@example.com"), Mailbox.parse("Séc, Team <sec@example.com>"))
ONCE = "From To Subject Date Message-ID References Auto-Submitted X-Auto-Response-Suppress MIME-Version Content-Type"

texts = st.text(st.characters(exclude_categories=()), max_size=300)  # lone surrogates and controls too
markup = st.sampled_from(["\r\nBcc: x@evil.example", ".\r\n.", "<script>", "=?utf-8?q?x?=", "🚨", "\u202e", "a" * 1200])
words = st.builds("".join, st.lists(texts | markup, max_size=4))
present = words.filter(str.strip)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
alerts = st.builds(
    Alert,
    present,
    present,
    severity=st.sampled_from(list(Severity)),
    status=st.sampled_from(list(Status)),
    source=st.none() | words,
    tags=st.lists(words, max_size=3),
    metadata=st.dictionaries(texts, json_values, max_size=4),
    url=st.none() | st.text(string.ascii_letters + "<>\"'&?=/", max_size=30).map("https://example.com/".__add__),
    dedup_key=st.none() | words,
    request_id=st.none() | words,
    created_at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-23, seconds=7))])),
)


def build(alert: Alert, *, smtputf8: bool = False, **changes: Any) -> Message:
    given: dict[str, Any] = {"target": "mail", "sender": SENDER, "recipients": RECIPIENTS}
    return build_message(alert, smtputf8=smtputf8, **(given | changes))


def parsed(message: Message) -> EmailMessage:
    found = email.message_from_bytes(message.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def part(message: Message, kind: str) -> str:
    found = parsed(message).get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


@given(alerts, st.booleans())
def test_any_alert_is_a_message_without_defects(alert: Alert, smtputf8: bool) -> None:
    message = parsed(build(alert, smtputf8=smtputf8))
    parts = list(message.walk())
    assert [found.get_content_type() for found in parts] == ["multipart/alternative", "text/plain", "text/html"]
    assert [defect for found in parts for defect in found.defects] == []
    assert [str(d) for value in message.values() for d in value.defects] == []


@given(alerts)
def test_any_alert_has_exactly_the_headers_of_the_transport(alert: Alert) -> None:
    assert list(parsed(build(alert)).keys()) == ONCE.split()


@given(alerts)
def test_lines_end_in_crlf_and_are_short(alert: Alert) -> None:
    content = build(alert).content
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert content.isascii()
    assert content.endswith(b"\r\n")


@given(alerts)
def test_the_same_alert_gives_the_same_bytes_also_after_a_queue(alert: Alert) -> None:
    assert build(alert) == build(alert)
    again = Alert.from_dict(alert.to_dict())
    if again == alert:  # NaN in metadata is unlike itself
        assert build(again) == build(alert)


@given(alerts)
def test_a_message_says_what_the_mail_says(alert: Alert) -> None:
    message, said = build(alert), mail(alert)
    assert parsed(message)["Subject"] == said.subject
    assert part(message, "plain") == said.text.removesuffix("\n")  # which belongs to the boundary
    assert part(message, "html") == said.html.removesuffix("\n")


@given(texts, st.sampled_from(["ops@example.com", "jürgen@exämple.com"]))
def test_a_name_and_an_address_are_one_header(name: str, address: str) -> None:
    try:
        mailbox = Mailbox.parse(f"{name} <{address}>")
    except ValueError:
        return
    header = address_header(mailbox)
    assert not any(char < " " or char == "\x7f" for char in header.replace("\r\n ", ""))
    assert mailbox.address in header


def test_crlf_in_a_title_reaches_no_header() -> None:
    message = parsed(build(Alert("Disk full\r\nBcc: evil@example.com\r\n\r\nbody", "x")))
    assert message["Bcc"] is None
    assert message["Subject"] == "[ERROR] Disk full Bcc: evil@example.com body"


def test_the_date_is_when_the_alert_was_made() -> None:
    moment = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
    assert parsed(build(Alert("Disk full", "x", created_at=moment)))["Date"].datetime == moment


def test_a_message_says_that_a_machine_sent_it() -> None:
    message = parsed(build(Alert("Disk full", "x")))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"


def test_to_names_every_recipient() -> None:
    addresses = parsed(build(Alert("Disk full", "x")))["To"].addresses
    assert [(a.display_name, a.addr_spec) for a in addresses] == [
        ("", "ops@example.com"),
        ("Séc, Team", "sec@example.com"),
    ]


def test_a_long_name_in_any_script_is_kept() -> None:
    name = "🚒 Дежурная смена " * 4
    message = build(Alert("Disk full", "x"), sender=Mailbox.parse(f"{name}<a@example.com>"))
    shown = str(make_header(decode_header(email.message_from_bytes(message.content)["From"])))
    assert shown == f"{name.strip()} <a@example.com>"
    assert max(map(len, message.content.split(b"\r\n"))) <= 100


def test_a_thread_is_a_dedup_key_and_a_message_id_is_an_alert_and_a_target() -> None:
    firing = Alert("Disk full", "x")
    resolved = firing.evolve(status="resolved")
    one, other, over = build(firing), build(firing, target="mail-2"), build(resolved)
    assert len({one.id, other.id, over.id}) == 3
    assert parsed(one)["Message-ID"] == one.id
    assert parsed(one)["References"] == parsed(over)["References"]
    assert parsed(one)["References"] != parsed(build(Alert("Other", "x")))["References"]


def test_an_alert_that_says_something_else_by_now_has_another_message_id_lest_it_be_dropped_as_the_first() -> None:
    first = Alert("Disk full", "x")
    worse = first.evolve(severity="critical")
    assert worse.id == first.id
    assert build(worse).id != build(first).id


def test_a_huge_alert_is_cut() -> None:
    huge = Alert("t" * 10**6, "é" * 10**6, metadata={f"k{i}": "v" * 10**4 for i in range(1000)}, tags=["x" * 10**6])
    message = build(huge)
    assert len(message.content) < 5_000_000
    assert "and 800 more" in part(message, "plain")


def test_an_ascii_message_leaves_out_addresses_that_need_utf8() -> None:
    recipients = (Mailbox.parse("jürgen@example.com"), Mailbox.parse("ops@example.com"))
    message = build(Alert("Disk full", "x"), recipients=recipients)
    assert message.content.isascii()
    assert parsed(message)["To"] == "ops@example.com"
    assert "jürgen@example.com" in build(Alert("x", "y"), recipients=recipients, smtputf8=True).content.decode()


def test_a_name_cannot_make_an_address() -> None:
    message = parsed(build(Alert("x", "y"), recipients=[Mailbox("a@b.c", 'Ops", evil@example.com, "')]))
    assert [a.addr_spec for a in message["To"].addresses] == ["a@b.c"]
