"""Any alert is a valid message: single-line headers, short lines, the same bytes twice."""

import email
import email.policy
import re
import string
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, Severity, Status
from alert_core.mail import SUBJECT_LIMIT, Mailbox
from alert_core.text import one_line
from alert_smtp.payload import Message, address_header, build_message

SENDER = Mailbox.parse("Alerts <alerts@example.com>")
RECIPIENTS = (Mailbox.parse("ops@example.com"), Mailbox.parse("Séc, Team <sec@example.com>"))
ONCE = "From To Subject Date Message-ID References Auto-Submitted X-Auto-Response-Suppress MIME-Version Content-Type"
TAGS = set("html head meta body div h1 br table tr td a".split())

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


class Markup(HTMLParser):
    """The tags of a page, the addresses of its links, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += data


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
def test_the_html_has_no_markup_of_the_alert(alert: Alert) -> None:
    page = Markup(part(build(alert), "html"))
    assert page.tags <= TAGS
    assert page.links == ([alert.url] if alert.url else [])


@given(alerts)
def test_both_parts_have_title_and_message(alert: Alert) -> None:
    def shown(text: str) -> str:
        return re.sub(r"\s", "", re.sub(r"[\x00-\x1f\x7f-\x9f]", "", text.encode("utf-8", "ignore").decode()))

    message = build(alert)
    for body in (part(message, "plain"), Markup(part(message, "html")).words):
        assert shown(one_line(alert.title)[:900]) in shown(body)
        assert shown(alert.message) in shown(body)


@given(alerts)
def test_the_subject_is_one_line_of_severity_and_title(alert: Alert) -> None:
    subject = parsed(build(alert))["Subject"]
    label = alert.severity if alert.status is Status.FIRING else alert.status
    title = one_line(f"[{label.upper()}] {alert.title.encode('utf-8', 'replace').decode()}")
    assert len(subject) <= SUBJECT_LIMIT
    assert subject == title or (subject.endswith("…") and title.startswith(subject[:-1]))


@given(st.text(max_size=80))
def test_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        mailbox = Mailbox.parse(text)
    except ValueError:
        return
    assert len(mailbox.address.split()) == 1
    assert "\r" not in address_header(mailbox)
    assert "\n" not in address_header(mailbox)


def test_crlf_in_a_title_reaches_no_header() -> None:
    message = parsed(build(Alert("Disk full\r\nBcc: evil@example.com\r\n\r\nbody", "x")))
    assert message["Bcc"] is None
    assert message["Subject"] == "[ERROR] Disk full Bcc: evil@example.com body"


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"severity": "critical"}, "[CRITICAL] Disk full"),
        ({"severity": "critical", "status": "resolved"}, "[RESOLVED] Disk full"),
        ({"status": "acknowledged"}, "[ACKNOWLEDGED] Disk full"),
    ],
)
def test_the_subject_tells_the_severity_or_that_it_is_over(changes: dict[str, str], subject: str) -> None:
    assert parsed(build(Alert("Disk full", "x", **changes)))["Subject"] == subject  # type: ignore[arg-type]  # words alone


def test_a_message_reads_well_as_text() -> None:
    alert = Alert(
        "Disk full",
        "/var is at 98 %\n  since 12:00",
        severity="critical",
        source="db-1",
        tags=["disk", "prod"],
        url="https://wiki.example.com/disk?a=1&b=2",
        metadata={"host": "db-1", "usage": {"var": 0.98}},
        created_at=datetime(2026, 8, 1, 14, 0, tzinfo=timezone(timedelta(hours=2))),
    )
    assert part(build(alert), "plain").splitlines() == [
        "Disk full",
        "",
        "/var is at 98 %",
        "  since 12:00",
        "",
        "Severity: critical",
        "Status: firing",
        "Source: db-1",
        "Tags: disk, prod",
        "Link: https://wiki.example.com/disk?a=1&b=2",
        "Time: 2026-08-01 12:00:00 UTC",
        "host: db-1",
        'usage: {"var": 0.98}',
    ]
    page = Markup(part(build(alert), "html"))
    assert page.links == ["https://wiki.example.com/disk?a=1&b=2"]
    assert "CRITICAL" in page.words


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


def test_a_huge_alert_is_cut() -> None:
    huge = Alert("t" * 10**6, "é" * 10**6, metadata={f"k{i}": "v" * 10**4 for i in range(1000)}, tags=["x" * 10**6])
    message = build(huge)
    assert len(message.content) < 5_000_000
    assert "and 800 more" in part(message, "plain")


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("ops@example.com", "ops@example.com", ""),
        ("root@localhost", "root@localhost", ""),
        ("a@[127.0.0.1]", "a@[127.0.0.1]", ""),
        (' "Ops, Night" <ops@example.com> ', "ops@example.com", "Ops, Night"),
        ("ops@exämple.com", "ops@xn--exmple-cua.com", ""),
        ("jürgen@exämple.com", "jürgen@xn--exmple-cua.com", ""),
    ],
)
def test_an_address_may_have_a_name_and_any_script(text: str, address: str, name: str) -> None:
    assert Mailbox.parse(text) == Mailbox(address, name)


@pytest.mark.parametrize(
    "text",
    ["", "ops", "@example.com", "ops@", "a@b@c", "a b@c.d", "a@b.c, d@e.f", "a@b.c>\r\nRCPT TO:<x@y.z", "<a@b.c",
     "a\ud800@b.c", "a@" + "ä" * 300 + ".com", "x" * 65 + "@b.c", "a@" + "b." * 130 + "c"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        Mailbox.parse(text)


def test_an_ascii_message_leaves_out_addresses_that_need_utf8() -> None:
    recipients = (Mailbox.parse("jürgen@example.com"), Mailbox.parse("ops@example.com"))
    message = build(Alert("Disk full", "x"), recipients=recipients)
    assert message.content.isascii()
    assert parsed(message)["To"] == "ops@example.com"
    assert "jürgen@example.com" in build(Alert("x", "y"), recipients=recipients, smtputf8=True).content.decode()


def test_a_name_cannot_make_an_address() -> None:
    message = parsed(build(Alert("x", "y"), recipients=[Mailbox("a@b.c", 'Ops", evil@example.com, "')]))
    assert [a.addr_spec for a in message["To"].addresses] == ["a@b.c"]
