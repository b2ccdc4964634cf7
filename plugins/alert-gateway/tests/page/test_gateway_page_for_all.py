"""The status page, in Debian's Chromium: what no alert can do to it, and that everyone can use it."""

from collections.abc import Callable
from typing import Any

import pytest

from alert_core import PermanentDeliveryError, Route

pytestmark = [pytest.mark.needs("chromium", "chromedriver", modules=["selenium"]), pytest.mark.once]

Run = Callable[..., Any]
EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload=window.pwned=1>'
LONG = "averylongwordwithoutanyplacetobreakit" * 20
ESCAPE, RETURN = "\ue00c", "\ue007"
VIEWS = ("", "?state=dead", "?view=firing", "?view=silences", "?view=dropped")


def hostile(run: Run, target: Any, **options: Any) -> tuple[Any, str]:
    """A gateway that has got what no sender should send, in every field; and the id of that alert."""
    routes = [Route(targets=[], match={"source": "quiet"}, name="quiet"), Route(targets=["ops", EVIL], name="all")]
    gateway = run(target("ops"), target(EVIL, PermanentDeliveryError(f"{EVIL} {LONG}")), routes=routes, **options)
    fields = {"tags": [EVIL, LONG], "metadata": {EVIL: EVIL, LONG: LONG, "list": [EVIL]}, "dedup_key": EVIL}
    gateway.post("quiet " + EVIL, source="quiet")
    found = gateway.post(f"{EVIL} \u202egnp.exe\u2066", f"{EVIL}\n{LONG}\n" * 200, source=EVIL + LONG, **fields)
    gateway.post(LONG, LONG, severity="critical", source=LONG)
    silences = gateway.dispatcher.queue.silences
    silences.add({"source": EVIL, f"metadata.{LONG}": LONG}, author=EVIL, reason=EVIL + LONG)
    gateway.settle()
    return gateway, found


def test_an_alerts_text_never_runs_as_script_nor_becomes_markup(page: Any, run: Run, target: Any) -> None:
    gateway, found = hostile(run, target)
    url = gateway.serve()
    for view in (*VIEWS, f"?alert={found}"):
        page.open(f"{url}/{view}")
        page.until("document.querySelector('#list li')")
        if view.startswith("?alert"):
            page.shown("#detail .message", "onerror")
            page.until("document.querySelector('#detail .rows')")
            assert "U+202Egnp.exe" in page.text("#detail h2")
            page.click("#detail .actions button")
            page.shown("#reach", "it keeps 1 quiet")
        assert (
            page.js("document.querySelectorAll('#list :is(script, img, svg), #detail :is(script, img, svg)').length")
            == 0
        )
        assert page.js("document.querySelectorAll('img').length") == 1  # the page's own
        assert (
            page.js("document.querySelectorAll('iframe, object, embed, style, [style], [onerror], [onload]').length")
            == 0
        )
        assert page.js("window.pwned") is None
    assert page.js("[...document.links].every(link => /^https?:$/.test(link.protocol))")


def test_the_browser_itself_would_refuse_markup_and_script(page: Any, run: Run, target: Any) -> None:
    page.open(run(target("ops")).serve())
    attempt = "(() => { try { document.body.innerHTML = arguments[0]; } catch (error) { return error.name; } })()"
    assert page.js(attempt, EVIL) == "TypeError"
    policy = "(() => { try { trustedTypes.createPolicy('x', {}); } catch (error) { return error.name; } })()"
    assert page.js(policy) == "TypeError"
    handler = "(() => { try { document.body.setAttribute('onclick', 'x'); } catch (error) { return error.name; } })()"
    assert page.js(handler) == "TypeError"
    page.driver.get_log("browser")  # what was refused


WIDE = """
[document.scrollingElement, ...document.querySelectorAll('main, .content, .detail, .card, #list, dialog[open]')]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.className || e.id || e.tagName)
"""


@pytest.mark.parametrize("width", [1000, 360])
def test_nothing_is_wider_than_the_window(page: Any, run: Run, target: Any, width: int) -> None:
    gateway, found = hostile(run, target)
    url = gateway.serve()
    for view in (*VIEWS, f"?alert={found}"):
        page.open(f"{url}/{view}", width=width)
        page.until("document.querySelector('#list li')")
        page.js("document.getElementById('overview').open = true")
        if view.startswith("?alert"):
            page.until("document.querySelector('#detail .delivery')")
            page.click("#detail .actions button")
        assert page.js(WIDE) == [], view


def test_on_a_phone_the_list_gives_way_to_the_alert_and_comes_back(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    gateway.post("Disk full")
    gateway.settle()
    page.open(gateway.serve(), width=390, height=844)
    assert not page.js("document.getElementById('overview').open")
    page.click("#list a.row")
    page.shown("#detail h2", "Disk full")
    assert not page.js("document.getElementById('list').checkVisibility()")
    assert page.js("document.activeElement.id") == "detail"
    page.click("#detail .close")
    page.until("document.getElementById('list').checkVisibility()")
    page.until("document.activeElement.matches('a.row')")


def test_the_keyboard_alone_reads_searches_and_goes_back(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    for number in range(3):
        gateway.post(f"alert {number}")
    gateway.settle()
    page.open(gateway.serve())
    page.titles("alert 2", "alert 1", "alert 0")
    page.press("j")
    page.shown("#detail h2", "alert 2")
    page.press("j")
    page.shown("#detail h2", "alert 1")
    page.until("document.activeElement.querySelector('.title').textContent === 'alert 1'")
    page.press("k")
    page.shown("#detail h2", "alert 2")
    page.press(ESCAPE)
    page.until("document.getElementById('detail').innerText === ''")
    page.press("/")
    page.press("1")
    page.titles("alert 1")
    page.press(ESCAPE)
    page.js("document.querySelector('#views a:nth-child(4)').focus()")
    page.press(RETURN)
    page.shown("#empty", "Nothing is silenced")
    page.js("document.querySelector('#tools button').focus()")
    page.press(RETURN)
    page.until("document.getElementById('silence').open")
    page.press(ESCAPE)
    page.until("!document.getElementById('silence').open")


def test_a_list_that_is_drawn_anew_keeps_the_focus_where_it_was(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    gateway.post("first")
    gateway.settle()
    page.open(gateway.serve())
    page.titles("first")
    page.js("document.querySelector('#list a.row').focus()")
    gateway.post("second")
    page.titles("second", "first")
    assert page.js("document.activeElement.querySelector('.title').textContent") == "first"


NAMELESS = """
[...document.querySelectorAll('button, a[href], input, select, summary, [role=button], dialog')].filter(e => {
  if (!e.checkVisibility()) return false;
  const label = e.labels?.length ? [...e.labels].map(l => l.textContent).join('') : '';
  const by = (e.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id)?.textContent);
  return !(e.getAttribute('aria-label') || e.title || by.join('') || label || e.textContent).trim();
}).map(e => e.outerHTML.slice(0, 120))
"""
PALE = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const channels = colour => {
    canvas.clearRect(0, 0, 1, 1);
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
    const skipped = '.hidden, .skip, script, noscript, option, title';
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest(skipped)) continue;
    const style = getComputedStyle(e);
    const inks = [channels(e.closest('svg') ? style.fill : style.color).slice(0, 3), ground(e)];
    const [light, dark] = inks.map(luminance).sort((x, y) => y - x);
    const ratio = (light + .05) / (dark + .05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.className || e.tagName}: ${e.textContent.slice(0, 40)}`);
  }
  return found;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_a_contrast_of_four_and_a_half_to_one(
    page: Any, run: Run, target: Any, scheme: str
) -> None:
    gateway = run(target("ops"), target("night", PermanentDeliveryError("gone")), target("slow", ValueError("odd")))
    for severity in ("critical", "error", "warning", "info"):
        gateway.post(f"{severity} [REDACTED]", severity=severity, source="db1", tags=["db"], url="https://e.example/")
    gateway.post("over", status="resolved")
    found = gateway.post("seen", status="acknowledged", metadata={"cluster": "eu \u202e"})
    for author in ("Ana", "Ivo"):
        gateway.dispatcher.queue.silences.add({"source": "x"}, author=author, reason="upgrade")
    gateway.dispatcher.queue.silences.expire(1)
    gateway.settle()
    url = gateway.serve()
    for view in (*VIEWS, f"?alert={found}"):
        page.open(f"{url}/{view}", scheme=scheme)
        page.until("!document.getElementById('main').hidden")
        if view.startswith("?alert"):
            page.until("document.querySelectorAll('#detail .delivery').length === 3")
            assert (page.js(NAMELESS), page.js(PALE)) == ([], [])
            page.click("#detail .actions button")
            page.until("document.getElementById('reach').textContent")
        assert (page.js(NAMELESS), page.js(PALE)) == ([], []), view
    ground = page.js("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(243, 245, 246)", "dark": "rgb(15, 19, 21)"}[scheme]
