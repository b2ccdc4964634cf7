"""An alert as an e-mail: whatever it says, one line of subject, and text and HTML that show it and nothing else."""

import re
import string
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alert_core import Alert, Severity, Status
from alert_core.mail import LINK_LIMIT, SUBJECT_LIMIT, Mailbox, digest, headers, mail, mailboxes, thread_id
from alert_core.presentation import link
from alert_core.text import one_line

TAGS = set("html head meta style body div span h1 br a".split())

texts = st.text(st.characters(exclude_categories=()), max_size=300)  # lone surrogates and controls too
markup = st.sampled_from(
    ["\r\nBcc: x@evil.example", "<script>", '"><a href="https://evil.example">', "</style>", "🚨", "\u202e", "a" * 1200]
)
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
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | words,
    tags=st.lists(words, max_size=3),
    metadata=st.dictionaries(texts, json_values, max_size=4),
    url=st.none() | st.text(string.ascii_letters + "<>\"'&?=/", max_size=30).map("https://example.com/".__add__),
    dedup_key=st.none() | words,
    request_id=st.none() | words,
    redact=st.booleans(),
)


class Page(HTMLParser):
    """The tags of a page, the addresses of its links, and what its reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.words = ""
        self.hidden = ""
        self._hides = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]
        self._hides = tag == "style" or "display:none" in (dict(attrs).get("style") or "")

    def handle_endtag(self, tag: str) -> None:
        self._hides = False

    def handle_data(self, data: str) -> None:
        if self._hides:
            self.hidden += data
        else:
            self.words += data


def seen(text: str) -> str:
    """Without what is not seen: white space, control characters, overrides of direction, halves of surrogate pairs."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "", text)


@given(alerts)
def test_the_subject_is_one_line_of_state_and_title(alert: Alert) -> None:
    subject = mail(alert).subject
    label = alert.severity if alert.status is Status.FIRING else alert.status
    title = one_line(f"[{label.upper()}] {alert.title}")
    assert len(subject) <= SUBJECT_LIMIT
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", subject)
    assert subject == title or (subject.endswith("…") and title.startswith(subject[:-1]))


@given(alerts)
def test_text_and_html_show_title_and_message(alert: Alert) -> None:
    found = mail(alert)
    for shown in (found.text, Page(found.html).words):
        assert seen(one_line(alert.title)[:900]) in seen(shown)
        assert seen(alert.message) in seen(shown)


@given(alerts)
@example(Alert("</h1><script>x</script>", '<img src=x onerror="y">', tags=["<b>"], metadata={"<i>": "<u>&amp;"}))
@example(Alert("t", "m", url="https://a.example/\"onclick='x'><script>"))
def test_the_html_has_no_markup_of_the_alert_and_no_link_but_its_url(alert: Alert) -> None:
    page = Page(mail(alert).html)
    assert page.tags <= TAGS
    assert page.links == ([link(alert)] if alert.url else [])


@given(alerts)
def test_a_mail_can_be_written_in_utf8(alert: Alert) -> None:
    found = mail(alert)
    "".join((found.subject, found.text, found.html, *headers(alert, "example.com").values())).encode()


@given(alerts)
def test_the_same_alert_gives_the_same_mail_also_after_a_queue(alert: Alert) -> None:
    assert mail(alert) == mail(alert)
    again = Alert.from_dict(alert.to_dict())
    if again == alert and alert.is_masked:  # NaN in metadata is unlike itself
        assert mail(again) == mail(alert)


def test_a_mail_reads_well_as_text() -> None:
    alert = Alert(
        "Disk full",
        "/var is at 98 %\n  since 12:00",
        severity="critical",
        source="db-1",
        tags=["disk", "prod"],
        url="https://wiki.example.com/disk?a=1&b=2",
        metadata={"host": "db-1", "usage": {"var": 0.98}},
        created_at=datetime(2026, 8, 1, 14, 0, tzinfo=timezone(timedelta(hours=2))),
        request_id="req-9",
    )
    assert mail(alert).text.splitlines() == [
        "Disk full",
        "",
        "/var is at 98 %",
        "  since 12:00",
        "",
        "https://wiki.example.com/disk?a=1&b=2",
        "",
        "Severity: critical",
        "Status: firing",
        "Source: db-1",
        "Tags: disk, prod",
        "Time: 2026-08-01 12:00:00 UTC",
        "Request: req-9",
        "host: db-1",
        'usage: {"var": 0.98}',
    ]
    page = Page(mail(alert).html)
    assert page.links == ["https://wiki.example.com/disk?a=1&b=2"]
    assert page.words.split()[:8] == "CRITICAL Disk full /var is at 98 %".split()
    assert "Open wiki.example.com" in page.words


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"severity": "critical"}, "CRITICAL"),
        ({"severity": "critical", "status": "resolved"}, "RESOLVED"),
        ({"status": "acknowledged"}, "ACKNOWLEDGED"),
    ],
)
def test_subject_and_html_tell_the_severity_or_that_it_is_over(changes: dict[str, Any], label: str) -> None:
    found = mail(Alert("Disk full", "x", **changes))
    assert found.subject == f"[{label}] Disk full"
    assert Page(found.html).words.split()[0] == label


def test_states_differ_in_colour_as_well() -> None:
    changes = [{"severity": severity} for severity in Severity] + [{"status": "resolved"}]
    colours = {tuple(re.findall("#[0-9a-f]{6}", mail(Alert("t", "m", **given)).html)) for given in changes}
    assert len(colours) == len(changes)


def test_a_list_of_mails_shows_the_message_after_the_subject() -> None:
    page = Page(mail(Alert("Disk full", "/var is\nat 98 %, " + "and so on " * 100)).html)
    assert page.hidden.split("}")[-1].strip().startswith("/var is at 98 %, and so on")
    assert len(page.hidden.split("}")[-1].strip()) <= 140


def test_the_page_leaves_the_colours_of_text_and_ground_to_the_reader_so_that_dark_mode_works() -> None:
    page = mail(Alert("Disk full", "x", url="https://a.example/")).html
    assert '<meta name="color-scheme" content="light dark">' in page
    body = page.partition("<body")[2].partition(">")[0]
    assert "color" not in body
    assert "background" not in body


def test_a_url_too_long_to_be_followed_is_shown_cut_and_is_no_link() -> None:
    found = mail(Alert("t", "m", url="https://a.example/" + "x" * LINK_LIMIT))
    assert Page(found.html).links == []
    assert "https://a.example/xxx" in Page(found.html).words
    assert max(map(len, found.text.splitlines())) == LINK_LIMIT


def test_a_huge_alert_is_cut() -> None:
    huge = Alert("t" * 10**6, "é" * 10**6, metadata={f"k{i}": "v" * 10**4 for i in range(1000)}, tags=["x" * 10**6])
    found = mail(huge)
    assert len((found.text + found.html).encode()) < 5_000_000
    assert "and 800 more" in found.text
    assert "and 800 more" in Page(found.html).words


def test_the_thread_is_the_dedup_key_and_no_machine_answers() -> None:
    firing = Alert("Disk full", "x")
    assert headers(firing, "example.com") == {
        "References": thread_id(firing, "example.com"),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    assert thread_id(firing.evolve(status="resolved"), "example.com") == thread_id(firing, "example.com")
    assert thread_id(Alert("Another", "x"), "example.com") != thread_id(firing, "example.com")
    assert re.fullmatch(r"<[0-9a-f]{32}\.thread@example\.com>", thread_id(firing, "example.com"))


@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_a_digest_stands_for_its_parts_and_no_others(one: list[str], other: list[str]) -> None:
    assert re.fullmatch("[0-9a-f]{32}", digest(*one))
    assert (digest(*one) == digest(*other)) == (one == other)


@given(st.text(max_size=80))
def test_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        mailbox = Mailbox.parse(text)
    except ValueError:
        return
    assert len(mailbox.address.split()) == 1
    assert mailbox.domain.isascii()
    assert mailbox.name == one_line(mailbox.name)


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("ops@example.com", "ops@example.com", ""),
        ("root@localhost", "root@localhost", ""),
        ("a@[127.0.0.1]", "a@[127.0.0.1]", ""),
        ("<ops@example.com>", "ops@example.com", ""),
        (' "Ops, Night" <ops@example.com> ', "ops@example.com", "Ops, Night"),
        ("Ops\u2028Night <ops@example.com>", "ops@example.com", "Ops Night"),
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


def test_an_address_that_only_smtp_can_reach_is_refused_where_it_is_of_no_use() -> None:
    with pytest.raises(ValueError, match="not ASCII before the @, which only the kind smtp can send to"):
        Mailbox.parse("jürgen@example.com", smtputf8=False)
    assert Mailbox.parse("Jürgen <j@exämple.com>", smtputf8=False).name == "Jürgen"


def test_recipients_are_taken_once_whatever_their_case_and_in_their_order() -> None:
    given = ["Ops <ops@example.com>", "b@example.com", "OPS@Example.COM", "a@example.com"]
    assert [str(box.address) for box in mailboxes(given)] == ["ops@example.com", "b@example.com", "a@example.com"]
    assert mailboxes(given)[0].name == "Ops"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ops@example.com", "must be a list"),
        ((), "at least one"),
        (None, "must be a list"),
        (("ops@example.com", "nobody"), "must be an e-mail address"),
        (("a@b.c", "d@e.f", "g@h.i"), "names 3 addresses, and one mail goes to 2 at most"),
        (("jürgen@b.c",), "not ASCII before the @"),
    ],
)
def test_recipients_that_one_mail_cannot_have_are_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mailboxes(given, most=2, smtputf8=False)


def test_a_repeated_recipient_does_not_count_twice() -> None:
    assert len(mailboxes(["a@b.c", "A@B.C"], most=1)) == 1
