"""The page, in Debian's Chromium: what no alert can do to it, and that everyone can use it."""

from collections.abc import Callable
from typing import Any

import pytest

from alert_core.testing import HttpStandIn
from alert_sandbox.app import MAIL_SANDBOX

pytestmark = [pytest.mark.needs("chromium", "chromedriver", modules=["selenium"]), pytest.mark.once]

Send = Callable[..., Any]
EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload=window.pwned=1>'
LINK = {"type": "text_link", "offset": 0, "length": 9, "url": "javascript:window.pwned=1"}
RETURN, ESCAPE, DOWN = "\ue007", "\ue00c", "\ue015"


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
    page.until("document.querySelector('#detail h2')?.innerText === 'message 2'")
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
