"""The page, in Debian's Chromium: what a person sees, and what no alert can do to it."""

from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Alert, Dispatcher
from alert_core.testing import HttpStandIn
from alert_sandbox.app import MAIL_SANDBOX
from alert_sandbox.testing import Sandbox

pytestmark = [pytest.mark.needs("chromium", "chromedriver", modules=["selenium"]), pytest.mark.once]

Send = Callable[..., Any]
EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload=window.pwned=1>'
LINK = {"type": "text_link", "offset": 0, "length": 9, "url": "javascript:window.pwned=1"}
RETURN, ESCAPE, DOWN = "\ue007", "\ue00c", "\ue015"


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
    send("resend", {"subject": "Disk full", "html": "<h1 id=big>98 %</h1>", "text": "98 percent"})
    page.shows(1)
    page.until("document.querySelector('.mail iframe')")
    page.driver.switch_to.frame(page.driver.find_element("css selector", ".mail iframe"))
    assert page.until("document.getElementById('big')?.innerText") == "98 %"
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


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("slack", {"text": EVIL, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": EVIL}}]}),
        ("slack", {"text": "<javascript:window.pwned=1|click>", "attachments": [{"color": "red;}", "title": EVIL}]}),
        ("telegram", {"text": EVIL, "entities": [LINK]}),
        ("resend", {"subject": EVIL, "html": f"{EVIL}<script>parent.pwned=top.pwned=1</script>", "text": EVIL}),
        ("castbrick", {"content": EVIL}),
        (
            "pagerduty",
            {
                "payload": {"summary": EVIL, "source": EVIL, "severity": "info", "custom_details": {EVIL: EVIL}},
                "client": EVIL,
            },
        ),
    ],
)  # fmt: skip
def test_an_alerts_text_never_runs_as_script_nor_becomes_markup(
    page: Any, send: Send, kind: str, body: dict[str, Any]
) -> None:
    assert send(kind, body).status_code < 300
    page.shows(1)
    page.until("document.querySelector('#detail .pane')")
    if kind == "resend":
        page.driver.switch_to.frame(page.driver.find_element("css selector", ".mail iframe"))
        page.until("document.readyState === 'complete'")
        assert page.js("window.pwned") is None
        page.driver.switch_to.default_content()
        assert page.js("document.querySelector('.mail iframe').getAttribute('sandbox')") == MAIL_SANDBOX
        page.driver.get_log("browser")  # the frame's own complaints: what it was kept from
    for link in page.driver.find_elements("css selector", "#detail a, #detail .slack span"):
        link.click()
    assert page.js("window.pwned") is None
    assert (
        page.js("document.querySelectorAll('#detail :is(script, svg, img), #list :is(script, svg, img)').length") == 0
    )
    assert page.js("[...document.links].every(link => /^https?:$/.test(link.protocol))")


REMOTE = """
<img src="URL/i.png"><link rel=stylesheet href="URL/s.css">
<link rel=preconnect href="URL"><LINK rel=prefetch href="URL/p">
<meta http-equiv=refresh content="0;url=URL/r"><iframe src="URL/f"></iframe><object data="URL/o"></object>
<div style="background:url(URL/b.png)">x</div><video src="URL/v"></video><a href="URL/a" ping="URL/ping">go</a>
"""


def test_no_request_leaves_for_anywhere_but_the_sandbox(page: Any, send: Send) -> None:
    with HttpStandIn() as outside:
        url = f"http://127.0.0.1:{outside.port}"
        html = REMOTE.replace("URL", url)
        send("resend", {"subject": "Remote", "html": html})
        page.shows(1)
        page.until("document.querySelector('.mail iframe')")
        page.driver.switch_to.frame(page.driver.find_element("css selector", ".mail iframe"))
        page.until("document.readyState === 'complete' && document.querySelector('a')")
        assert page.js("document.querySelector('base').target") == "_blank"
        page.driver.switch_to.default_content()
        image = {"type": "image", "image_url": f"{url}/i.png", "alt_text": "a graph"}
        send("slack", {"blocks": [image]})
        page.shows(2)
        page.until("document.querySelector('.slack .image')?.innerText.includes('a graph')")
        page.driver.get_log("browser")
        assert (outside.connections, outside.received) == (0, [])


def test_the_keyboard_alone_reads_searches_and_goes_back(page: Any, send: Send) -> None:
    for number in range(3):
        send("slack", {"text": f"message {number}"})
    page.shows(3)
    page.press("j")
    page.until("document.querySelector('#detail h2').innerText === 'message 1'")
    page.press(DOWN)
    page.until("document.querySelector('#detail h2').innerText === 'message 0'")
    assert page.js("document.activeElement.dataset.id === document.querySelector('[aria-current]').dataset.id")
    page.press("k")
    page.until("document.querySelector('#detail h2').innerText === 'message 1'")
    page.press("/")
    assert page.js("document.activeElement.id") == "text"
    page.press("2")
    page.shows(1)
    page.press(ESCAPE)
    page.shows(3)
    page.js("document.querySelector('#open-faults').focus()")
    page.press(RETURN)
    page.until("document.querySelector('#faults').open")
    page.press(ESCAPE)
    page.until("!document.querySelector('#faults').open")


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


WIDE = """
[...document.querySelectorAll('body, #detail, #list, .pane')]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className || e.id || e.tagName)
"""
LONG = "WARNING: " + "averylongwordwithoutanyplacetobreakit" * 8


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(page: Any, send: Send, width: int) -> None:
    page.open(width=width)
    payload = {"summary": LONG, "source": LONG, "severity": "info", "custom_details": {LONG: LONG}}
    sent: list[tuple[str, dict[str, Any]]] = [
        ("slack", {"text": LONG}),
        ("telegram", {"text": LONG}),
        ("resend", {"subject": LONG, "text": LONG, "html": LONG}),
        ("castbrick", {"content": LONG}),
        ("pagerduty", {"payload": payload}),
    ]  # fmt: skip
    for number, (kind, body) in enumerate(sent, start=1):
        send(kind, body)
        page.shows(number)
        page.js("document.querySelector('#list li button').click()")
        page.until("document.querySelector('#detail .pane')")
        assert page.js(WIDE) == [], kind
        if width < 600:
            page.click(".back")


NAMELESS = """
[...document.querySelectorAll('button, a[href], input, select, iframe, [role=tabpanel], dialog')].filter(e => {
  if (!e.checkVisibility()) return false;
  const ids = (e.getAttribute('aria-labelledby') || '').split(' ');
  const by = ids.map(id => document.getElementById(id)?.textContent || '');
  const label = e.labels?.length ? [...e.labels].map(l => l.textContent).join('') : '';
  return !(e.getAttribute('aria-label') || e.title || by.join('') || label || e.textContent).trim();
}).map(e => e.outerHTML.slice(0, 120))
"""

PALE = """
(() => {
  const channels = colour => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    const skipped = '.hidden, .skip, script, noscript, option, .avatar';
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest(skipped)) continue;
    const inks = [channels(getComputedStyle(e).color).slice(0, 3), ground(e)];
    const [light, dark] = inks.map(luminance).sort((x, y) => y - x);
    const ratio = (light + .05) / (dark + .05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.className || e.tagName}: ${e.textContent.slice(0, 40)}`);
  }
  return found;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_a_contrast_of_four_and_a_half_to_one(
    page: Any, send: Send, scheme: str
) -> None:
    page.open(scheme=scheme)
    for severity in ("CRITICAL", "ERROR", "WARNING", "INFO", "ACKNOWLEDGED", "RESOLVED"):
        send("slack", {"text": f"{severity}: [REDACTED] `code` <https://e.example> <!here> <@U1>", "thread_ts": "1"})
    send("telegram", {"text": "<b>Disk</b> [REDACTED] <code>x</code>", "parse_mode": "HTML"})
    send("resend", {"subject": "Disk full", "text": "98 %", "html": "<p>98 %</p>"})
    send("castbrick", {"content": "x" * 200})
    send("castbrick", {"content": ""})
    send("pagerduty", {"payload": {"summary": "Disk full", "source": "db1", "severity": "error"}})
    page.sandbox.fail("slack", "503,ok")
    page.shows(11)
    assert page.js("getComputedStyle(document.body).colorScheme") in ("light dark", "normal")
    for row in page.driver.find_elements("css selector", "#list li button"):
        row.click()
        assert (page.js(NAMELESS), page.js(PALE)) == ([], [])
    page.click("#open-faults")
    assert (page.js(NAMELESS), page.js(PALE)) == ([], [])
    dark = page.js("getComputedStyle(document.body).backgroundColor")
    assert dark == {"light": "rgb(244, 244, 246)", "dark": "rgb(19, 19, 22)"}[scheme]


def test_a_screen_reader_hears_what_arrived_and_where_the_reader_is(page: Any, send: Send) -> None:
    send("slack", {"text": "CRITICAL: Disk full"})
    page.until("document.getElementById('news').textContent === 'New: Slack, critical, CRITICAL: Disk full'")
    assert page.js("document.getElementById('news').getAttribute('aria-live')") == "polite"
    assert page.js("document.querySelectorAll('#list [aria-current]').length") == 1
    assert page.js("document.documentElement.lang") == "en"


def test_a_sandbox_that_ends_is_told_and_found_again(driver: Any, page: Any) -> None:
    with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        driver.get(f"{sandbox.url}/")
        page.until("document.getElementById('live').textContent === 'live'")
        sandbox.close()
        page.until("document.getElementById('live').textContent.includes('is gone')")
    with Sandbox(port=port):
        page.until("document.getElementById('live').textContent === 'live'")
    driver.get_log("browser")
