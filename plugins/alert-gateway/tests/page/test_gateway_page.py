"""The status page, in Debian's Chromium: what a person on call sees and does."""

from collections.abc import Callable
from typing import Any

import pytest

from alert_core import PermanentDeliveryError, Route

pytestmark = [pytest.mark.needs("chromium", "chromedriver", modules=["selenium"]), pytest.mark.once]

Run = Callable[..., Any]
ESCAPE, RETURN, LEFT = "\ue00c", "\ue007", "\ue012"


def test_an_alert_and_its_delivery_appear_without_a_reload(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"), target("night"))
    page.open(gateway.serve())
    assert "No alert has come in yet" in page.text("#empty")
    assert f"{gateway.url}/alerts" in page.text("#empty pre")
    page.js("window.loaded = 'once'")
    gateway.post("Disk full", severity="critical", source="db1")
    page.titles("Disk full")
    page.until("document.querySelectorAll('#list .chip.delivered').length === 2")
    assert page.text("#list .severity") == "critical"
    page.shown("#summary", "1 alert · 2 delivered")
    gateway.post("Queue grows", severity="warning")
    page.titles("Queue grows", "Disk full")
    page.shown("#views a:nth-child(3) .count", "2")
    page.shown("#news", "New: warning, Queue grows")
    assert page.js("window.loaded") == "once"


def test_a_dead_letter_shows_why_and_is_delivered_when_it_is_retried(page: Any, run: Run, target: Any) -> None:
    ops = target("ops", PermanentDeliveryError("no channel #alerts; password=hunter2secret", status=404))
    gateway = run(ops)
    gateway.post("Disk full")
    gateway.settle()
    page.open(gateway.serve())
    page.shown("#views .count.bad", "1")
    assert page.js("document.title") == "(1 failed) alert-gateway"
    page.click("#views a:nth-child(2)")
    page.click("#list a.row")
    page.shown("#detail .problem", "no channel #alerts")
    assert "permanent · PermanentDeliveryError" in page.text("#detail .problem")
    assert "hunter2secret" not in page.js("document.documentElement.outerHTML")
    ops.error = None
    page.click("#detail .delivery button")
    page.shown("#toast", "ops will be tried again")
    page.shown("#detail .delivery.delivered", "ops-1")
    assert ops.taken == ["Disk full"]
    page.shown("#empty", "Nothing fits these filters")
    page.until("!document.querySelector('#views .count.bad')")


def test_every_failed_delivery_of_a_target_is_retried_at_once(page: Any, run: Run, target: Any) -> None:
    ops, night = target("ops", PermanentDeliveryError("gone")), target("night", PermanentDeliveryError("gone"))
    gateway = run(ops, night)
    for number in range(3):
        gateway.post(f"Disk {number} full")
    gateway.settle()
    page.open(f"{gateway.serve()}/?state=dead&target=ops")
    page.shown("#tools", "Retry all failed of ops")
    ops.error = None
    page.click("#tools button")
    page.driver.switch_to.alert.accept()
    page.shown("#toast", "3 deliveries will be tried again")
    page.shown("#empty", "Nothing fits these filters")
    assert sorted(ops.taken) == ["Disk 0 full", "Disk 1 full", "Disk 2 full"]
    assert night.taken == []


def test_what_is_silenced_on_the_page_reaches_nobody_until_the_silence_is_ended(
    page: Any, run: Run, target: Any
) -> None:
    ops = target("ops")
    gateway = run(ops, routes=[Route(targets=["ops"], name="all")])
    first = gateway.post("Disk full", source="db1", severity="error", tags=["db"])
    gateway.post("Replica lags", source="db1", severity="error", tags=["db", "replica"])
    gateway.settle()
    page.open(f"{gateway.serve()}/?alert={first}")
    page.click("#detail .actions button")
    page.shown("#reach", "Of 2 that fire now it keeps 1 quiet: Disk full")
    field, key = page.js("[...document.querySelectorAll('.matcher input')].map(e => e.value)")
    assert (field, len(key)) == ("dedup_key", 64)
    page.click("#widen")
    assert page.js("[...document.querySelectorAll('.matcher input')].map(e => e.value)") == [
        "source", "db1", "tags", "db",
    ]  # fmt: skip
    page.shown("#reach.wide", "Of 2 that fire now it keeps 2 quiet")
    page.type("#silence-form [name=for]", "soon")
    page.type("#silence-form [name=author]", "Ana")
    page.type("#silence-form [name=reason]", "upgrade")
    page.click("#silence-form .primary")
    page.until("document.getElementById('silence-wrong').textContent !== ''")
    page.type("#silence-form [name=for]", "2h")
    page.click("#silence-form .primary")
    page.shown("#toast", "Silenced")
    gateway.post("Disk full again", source="db1", severity="error", tags=["db"])
    gateway.settle()
    assert ops.taken == ["Disk full", "Replica lags"]
    page.shown("#views a:nth-child(4) .count", "1")
    page.click("#views a:nth-child(5)")
    page.titles("Disk full again")
    assert "kept quiet by silence 1" in page.text("#list")
    page.click("#views a:nth-child(4)")
    page.shown("#list", "upgrade")
    assert "source = db1" in page.text("#list .match")
    assert "by Ana" in page.text("#list")
    page.click("#list button")
    page.shown("#list .severity", "ended")


def test_one_event_is_silenced_by_its_dedup_key_and_no_other(page: Any, run: Run, target: Any) -> None:
    ops = target("ops")
    gateway = run(ops, routes=[Route(targets=["ops"], name="all")])
    gateway.post("Disk full", source="db1", dedup_key="db1:disk")
    gateway.settle()
    page.open(f"{gateway.serve()}/?view=firing")
    page.titles("Disk full")
    page.click("#list button")
    page.type("#silence-form [name=author]", "Ana")
    page.type("#silence-form [name=reason]", "upgrade")
    page.click("#silence-form .primary")
    page.shown("#toast", "Silenced")
    gateway.post("Disk fuller", source="db1", dedup_key="db1:disk")
    gateway.post("Disk full", source="db1", dedup_key="db1:disk2")
    gateway.settle()
    assert ops.taken == ["Disk full", "Disk full"]


def test_filters_stand_in_the_address_and_come_back_with_it(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"), target("night", PermanentDeliveryError("gone")))
    gateway.post("Disk full", severity="critical", source="db1")
    gateway.post("Disk slow", severity="warning", source="db2")
    gateway.post("Backup done", severity="info", source="cron")
    gateway.settle()
    page.open(gateway.serve())
    page.titles("Backup done", "Disk slow", "Disk full")
    page.type("#filters [name=text]", "disk")
    page.titles("Disk slow", "Disk full")
    page.click("#filters [name=severity] option:nth-child(2)")
    page.titles("Disk full")
    page.until("document.querySelector('#filters [name=target]').options.length === 3")
    page.click("#filters [name=target] option:nth-child(2)")
    page.until("document.querySelectorAll('#list .chip').length === 1")
    assert page.asked() == "?text=disk&severity=critical&target=night"
    page.driver.refresh()
    page.titles("Disk full")
    kept = "['text', 'severity', 'target'].map(name => document.querySelector(`#filters [name=${name}]`).value)"
    assert page.js(kept) == ["disk", "critical", "night"]
    page.driver.back()
    page.until("document.querySelectorAll('#list .chip').length === 2")
    page.driver.back()
    page.titles("Disk slow", "Disk full")
    assert page.js(kept) == ["disk", "", ""]
    page.open(f"{gateway.url}/?source=cron")
    page.titles("Backup done")
    page.open(f"{gateway.url}/?view=firing")
    page.titles("Disk full", "Disk slow", "Backup done")
    page.open(f"{gateway.url}/?since=yesterday")
    page.shown("#empty", "since is a time in ISO 8601")


def test_an_alert_has_an_address_and_the_browsers_back_leaves_it(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    gateway.post("Disk full", metadata={"cluster": "eu"}, url="https://grafana.example.org/d/1")
    gateway.settle()
    page.open(gateway.serve())
    page.click("#list a.row")
    page.shown("#detail h2", "Disk full")
    assert "cluster\neu" in page.text("#detail")
    assert page.js("document.querySelector('#detail a').href") == "https://grafana.example.org/d/1"
    page.driver.refresh()
    page.shown("#detail h2", "Disk full")
    page.driver.back()
    page.until("document.getElementById('detail').innerText === ''")
    page.open(f"{gateway.url}/?alert=nobody")
    page.shown("#detail", "no such alert")


def test_a_column_of_the_chart_shows_its_hour(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    gateway.post("Disk full", severity="critical")
    gateway.post("Queue grows", severity="warning")
    gateway.settle()
    page.open(gateway.serve())
    page.until("document.querySelectorAll('#day rect.fill').length >= 2")
    told = "[...document.querySelectorAll('#day .column title')].map(title => title.textContent).join()"
    assert "1 critical, 1 warning" in page.js(told) or page.js(told).count("1 ") == 2  # an hour ended between them
    assert page.js("document.querySelectorAll('#day .column').length") == 24
    page.js("document.querySelector('#day .column[tabindex=\"0\"]').focus()")
    page.press(LEFT)
    page.press(RETURN)
    page.until("location.search.includes('since=')")
    page.until("!document.getElementById('period').hidden")
    page.click("#period button")
    page.titles("Queue grows", "Disk full")
    page.shown("#targets", "ops")
    page.until("document.querySelector('#targets svg .p95')")


def test_without_a_durable_queue_it_knows_what_this_process_saw_and_says_so(page: Any, run: Run, target: Any) -> None:
    ops = target("ops", PermanentDeliveryError("gone"))
    gateway = run(ops, durable=False)
    gateway.post("Disk full")
    gateway.settle()
    page.open(gateway.serve())
    page.shown("#notice", "known is what this process took in since")
    page.click("#list a.row")
    page.shown("#detail .delivery", "gone")
    assert "Silence" not in page.text("#detail")
    ops.error = None
    page.click("#detail .delivery button")
    page.shown("#detail .delivery.delivered", "ops")
    page.click("#views a:nth-child(4)")
    page.shown("#empty", "pip install alert-outbox")


def test_the_pages_token_opens_it_and_a_reload_keeps_it_open(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"), token="for-senders", page_token="for-the-page")
    page.driver.get(gateway.serve())
    page.until("document.getElementById('login').open")
    page.press(ESCAPE)
    page.until("document.getElementById('login').open")
    assert page.js("document.getElementById('main').hidden")
    page.type("#login [name=token]", "for-senders")
    page.press(RETURN)
    page.shown("#wrong", "that is not the page's token")
    page.type("#login [name=token]", "for-the-page")
    page.press(RETURN)
    page.is_live()
    assert page.js("document.cookie") == ""  # no script reads it
    page.driver.refresh()
    page.is_live()
    gateway.post("Disk full")
    page.titles("Disk full")
    page.driver.delete_all_cookies()  # as after a week
    page.until("document.getElementById('login').open")
    assert "Disk full" not in page.text("body")
    page.type("#login [name=token]", "for-the-page")
    page.press(RETURN)
    page.titles("Disk full")
    page.click("#leave")
    page.until("document.getElementById('login').open")


def test_a_gateway_that_is_gone_is_told_and_found_again(page: Any, run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    page.open(gateway.serve())
    port = int(gateway.url.rpartition(":")[2])
    gateway.stop()
    page.shown("#live", "the gateway does not answer")
    gateway.serve(port)
    page.is_live()
