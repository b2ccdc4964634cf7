"""The page, in Debian's Chromium: what a person sees and does."""

from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Alert, Dispatcher
from alert_sandbox.testing import Sandbox

pytestmark = [pytest.mark.needs("chromium", "chromedriver", modules=["selenium"]), pytest.mark.once]

Send = Callable[..., Any]
ESCAPE = "\ue00c"


def test_an_alert_appears_without_a_reload_and_the_newest_is_shown(page: Any, send: Send) -> None:
    assert "Nothing has arrived yet" in page.text("#empty")
    assert "alertctl sandbox --env --port" in page.text("#how")
    page.js("window.loaded = 'once'")
    send("slack", {"text": "CRITICAL: Disk full"})
    page.shows(1)
    send("castbrick", {"content": "WARNING: Queue grows"})
    page.shows(2)
    assert page.titles() == ["WARNING: Queue grows", "CRITICAL: Disk full"]
    page.until("document.querySelector('#detail h2')?.innerText === 'WARNING: Queue grows'")
    assert (page.js("window.loaded"), page.text("#total")) == ("once", "2 messages")


def test_filters_narrow_by_kind_severity_and_text(page: Any, send: Send) -> None:
    send("slack", {"text": "CRITICAL: Disk full"})
    send("slack", {"text": "INFO: Backup done"})
    send("castbrick", {"content": "CRITICAL: Disk full again"})
    page.shows(3)
    page.choose("#kind", "slack")
    page.shows(2)
    page.choose("#severity", "critical")
    page.shows(1)
    assert page.text("#total") == "1 of 3 messages"
    page.choose("#kind", "")
    page.shows(2)
    page.driver.find_element("css selector", "#text").send_keys("AGAIN")
    page.shows(1)
    assert page.titles() == ["CRITICAL: Disk full again"]
    send("slack", {"text": "CRITICAL: something else"})
    page.until("document.getElementById('total').textContent === '1 of 4 messages'")
    page.press(ESCAPE)
    page.shows(3)


def test_a_fault_set_on_the_page_makes_the_next_send_retry(page: Any, sandbox: Sandbox) -> None:
    page.click("#open-faults")
    page.choose("#fault-kind", "slack")
    page.choose("#fault-name", "503")
    page.click("#set-fault")
    page.until("document.getElementById('plans').innerText.includes('503,ok')")
    assert page.text("#fault-count") == "1"
    page.press(ESCAPE)
    target = {"type": "slack", "webhook_url": sandbox.environment()["ALERT_SLACK_WEBHOOK_URL"]}
    with Dispatcher.from_config({"targets": {"ops": target}, "deadline": 60.0}) as dispatcher:
        report = dispatcher.send(Alert("Disk full", "98 %"))
    assert (report.ok, report.deliveries[0].attempts) == (True, 2)
    page.shows(2)
    assert "fault 503" in page.text("#list li:last-child")
    assert page.text("#list li:first-child .facts").startswith("Slack")
    page.until("document.getElementById('fault-count').hidden")


def test_a_fault_that_makes_no_sense_is_told_and_one_that_is_set_can_be_ended(page: Any, sandbox: Sandbox) -> None:
    sandbox.fail("*", "500")
    page.until("document.getElementById('fault-count').textContent === '1'")
    page.click("#open-faults")
    assert "every one" in page.text("#plans")
    page.click("#plans button")
    page.until("document.getElementById('plans').children.length === 0")
    page.choose("#fault-name", "hang")
    assert "answer nothing" in page.text("#fault-told")


def test_clear_empties_the_inbox(page: Any, send: Send) -> None:
    send("slack", {"text": "Disk full"})
    page.shows(1)
    page.click("#clear")
    page.shows(0)
    page.until("!document.getElementById('empty').hidden && document.getElementById('detail').innerText === ''")
    assert page.sandbox.messages() == []


MRKDWN = "*bold* _it_ `code` <https://e.example/|here> <!channel>"


def test_slack_is_shown_as_slack_shows_it(page: Any, send: Send) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "CRITICAL: a &lt; b"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": MRKDWN}},
        {"type": "section", "fields": [{"type": "plain_text", "text": "*not bold*"}]},
        {"type": "context", "elements": [{"type": "plain_text", "text": "small"}]},
    ]  # fmt: skip
    send("slack", {"text": "for the notification", "blocks": blocks})
    page.shows(1)
    page.until("document.querySelector('.slack h3')?.innerText === 'CRITICAL: a < b'")
    assert page.text(".slack strong") == "bold"
    assert page.text(".slack code") == "code"
    assert page.js("document.querySelector('.slack a').href") == "https://e.example/"
    assert page.text(".slack .ping") == "@channel"
    assert page.text(".slack .fields") == "*not bold*"
    assert "for the notification" in page.text(".slack .notification")


def test_telegram_is_shown_with_its_entities(page: Any, send: Send) -> None:
    send(
        "telegram",
        {"text": '<b>Disk 😀 <i>full</i></b> &lt;98&gt; <a href="https://e.example">x</a>', "parse_mode": "HTML"},
    )
    page.shows(1)
    page.until("document.querySelector('.bubble .text')?.innerText === 'Disk 😀 full <98> x'")
    assert page.js("document.querySelector('.bubble em').closest('strong') !== null")
    assert page.js("document.querySelector('.bubble a').href") == "https://e.example/"


def test_an_email_is_shown_in_its_html_and_as_text(page: Any, send: Send) -> None:
    html = "<h1 id=big>98 %</h1><p title='[REDACTED]'>key [REDACTED]</p>"
    send("resend", {"subject": "Disk full", "html": html, "text": "98 percent"})
    page.shows(1)
    page.until("document.querySelector('.mail iframe')")
    page.driver.switch_to.frame(page.driver.find_element("css selector", ".mail iframe"))
    assert page.until("document.getElementById('big')?.innerText") == "98 %"
    assert page.js("[...document.querySelectorAll('mark')].map(mark => mark.innerText)") == ["[REDACTED]"]
    assert page.js("document.querySelector('p').title") == "[REDACTED]"
    page.driver.switch_to.default_content()
    page.click(".mail [role=tab]:nth-child(2)")
    assert page.text(".mail [role=tabpanel]:not([hidden])") == "98 percent"


def test_an_sms_is_shown_in_its_segments(page: Any, send: Send) -> None:
    send("castbrick", {"content": "x" * 161})
    page.shows(1)
    page.until("document.querySelectorAll('.phone .text').length === 2")
    assert "2 segments · GSM-7 · 161 units" in page.text(".sms")


def test_a_pagerduty_incident_opens_is_acknowledged_and_resolves(page: Any, send: Send) -> None:
    payload = {"summary": "Disk full", "source": "db1", "severity": "critical"}
    send("pagerduty", {"payload": payload})
    page.shows(1)
    page.until("document.querySelector('.status')?.innerText === 'triggered'")
    page.read("Disk full")
    send("pagerduty", {"event_action": "acknowledge"})
    page.until("document.querySelector('.status').innerText === 'acknowledged'")
    send("pagerduty", {"event_action": "resolve"})
    page.until("document.querySelector('.status').innerText === 'resolved'")
    told = [line.split()[-1] for line in page.text(".timeline").splitlines()]
    assert told == ["triggered", "acknowledged", "resolved"]


def test_a_refused_message_says_which_rule_it_broke_and_shows_the_raw_request_and_answer(page: Any, send: Send) -> None:
    send("castbrick", {"content": "Disk full", "recipients": ["923"]})
    page.shows(1)
    page.until("document.querySelector('.problem')?.innerText.includes('castbrick-recipients')")
    assert "docs.castbrick.co" in page.text(".problem")
    raw = page.text(".raw")
    assert "POST /castbrick/v1/sms/send" in raw
    assert "Bearer <credential>" in raw
    assert '"923"' in raw
    page.click(".raw [role=tab]:nth-child(2)")
    assert "422" in page.text(".raw > .tabs > [role=tabpanel]:not([hidden])")


def test_what_was_masked_is_visible_as_such(page: Any, send: Send) -> None:
    send("slack", {"text": "password=[REDACTED:assignment] key [REDACTED]"})
    page.shows(1)
    page.until("document.querySelectorAll('.slack mark.masked').length === 2")
    assert "2 masked" in page.text("#list li .facts")
    assert "assignment" in page.js("document.querySelector('.slack mark.masked').title")


def test_a_message_has_an_address_that_a_reload_keeps(page: Any, send: Send) -> None:
    send("slack", {"text": "first"})
    send("slack", {"text": "second"})
    page.shows(2)
    page.read("first")
    page.driver.refresh()
    page.shows(2)
    page.until("document.querySelector('#detail h2')?.innerText === 'first'")


def test_on_a_phone_the_list_gives_way_to_the_message_and_comes_back(page: Any, send: Send) -> None:
    page.open(width=390, height=844)
    send("slack", {"text": "Disk full"})
    page.shows(1)
    assert page.js("getComputedStyle(document.getElementById('detail')).display") == "none"
    page.read("Disk full")
    assert page.js("getComputedStyle(document.querySelector('.inbox')).display") == "none"
    page.click(".back")
    page.until("getComputedStyle(document.querySelector('.inbox')).display !== 'none'")
    page.driver.back()
    page.until("getComputedStyle(document.getElementById('detail')).display !== 'none'")


def test_a_sandbox_that_ends_is_told_and_found_again(driver: Any, page: Any) -> None:
    with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        driver.get(f"{sandbox.url}/")
        page.until("document.getElementById('live').textContent === 'live'")
        sandbox.close()
        page.until("document.getElementById('live').textContent.includes('is gone')")
    with Sandbox(port=port):
        page.until("document.getElementById('live').textContent === 'live'")
        driver.get("about:blank")
    driver.get_log("browser")
