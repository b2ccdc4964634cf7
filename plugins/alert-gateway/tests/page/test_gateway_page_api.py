"""The status page's API, without a browser: what is told."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alert_core import PermanentDeliveryError, Redactor, Route
from alert_core.queues import Desk, Dispatch, Stored
from alert_gateway.messages import Request
from alert_gateway.pageapi import POLICY
from alert_gateway.pagedata import Kept

Run = Callable[..., Any]
READS = ("overview", "alerts", "alerts/nobody", "firing", "silences", "dropped")
CHANGES = (
    ("POST", "silences", {"match": {"source": "db"}, "for": "2h", "author": "Ana", "reason": "upgrade"}),
    ("POST", "silences/preview", {"match": {"source": "db"}}),
    ("DELETE", "silences/1", None),
    ("POST", "deliveries/1/retry", None),
    ("POST", "retry", None),
)


durably = pytest.mark.parametrize("durable", [True, False], ids=["outbox", "memory"])


@durably
def test_an_alert_is_told_with_what_went_where_and_why_not(run: Run, target: Any, durable: bool) -> None:
    gateway = run(
        target("ops"), target("night", PermanentDeliveryError("no such channel", status=404)), durable=durable
    )
    found = gateway.post("Disk full", "/var is at 98 %", severity="critical", source="db1", tags=["db"])
    gateway.settle()
    (listed,) = gateway.ask("GET", "/api/alerts").json["alerts"]
    assert (listed["id"], listed["title"], listed["severity"], listed["source"]) == (
        found,
        "Disk full",
        "critical",
        "db1",
    )
    told = gateway.ask("GET", f"/api/alerts/{found}").json
    assert (told["message"], told["tags"]) == ("/var is at 98 %", ["db"])
    ops, night = told["deliveries"]
    assert (ops["target"], ops["state"], ops["receipt"], ops["error"]) == ("ops", "delivered", "ops-1", None)
    assert (night["state"], night["outcome"], night["attempts"]) == ("dead", "permanent", 1)
    assert night["error"] == "PermanentDeliveryError: no such channel"
    assert ops["seconds"] >= 0
    figures = gateway.ask("GET", "/api/overview").json
    assert figures["counts"] == {
        "alerts": 1, "delivered": 1, "waiting": 0, "dead": 1, "firing": 1, "silences": 0, "dropped": 0,
    }  # fmt: skip
    assert sum(hour["critical"] for hour in figures["hours"]) == 1
    assert len(figures["hours"]) == 24
    assert [(one["name"], one["delivered"], one["dead"]) for one in figures["targets"]] == [
        ("ops", 1, 0),
        ("night", 0, 1),
    ]
    assert figures["targets"][0]["p95"] >= figures["targets"][0]["p50"] >= 0
    assert (figures["store"]["durable"], figures["store"]["silences"]) == (durable, durable)


@durably
def test_each_filter_narrows_and_pages_join(run: Run, target: Any, durable: bool) -> None:
    gateway = run(target("ops"), target("night", PermanentDeliveryError("gone")), durable=durable)
    for number in range(6):
        gateway.post(f"Disk {number}", severity="error" if number % 2 else "info", source=f"db{number % 3}")
    gateway.settle()

    def titles(query: str) -> list[str]:
        answer = gateway.ask("GET", f"/api/alerts?{query}")
        return [f"{alert['title']} {len(alert['deliveries'])}" for alert in answer.json["alerts"]]

    assert titles("severity=error") == ["Disk 5 2", "Disk 3 2", "Disk 1 2"]
    assert titles("state=dead&target=night&source=db0") == ["Disk 3 1", "Disk 0 1"]
    assert titles("text=dISK+5".replace("+", " ")) == ["Disk 5 2"]
    assert titles("since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z") == []
    assert len(titles("until=2999-01-01T00:00:00Z")) == 6
    page = gateway.ask("GET", "/api/alerts?limit=5").json
    assert [len(alert["deliveries"]) for alert in page["alerts"]] == [2, 2]  # of the third, not only a part
    assert page["more"]
    rest = gateway.ask("GET", f"/api/alerts?before={page['next']}").json
    assert [alert["title"] for alert in page["alerts"] + rest["alerts"]] == [f"Disk {n}" for n in range(5, -1, -1)]
    assert (rest["more"], rest["next"]) == (False, None)
    alone = gateway.ask("GET", "/api/alerts?limit=1").json["alerts"]
    assert [(alert["title"], len(alert["deliveries"])) for alert in alone] == [("Disk 5", 1)]


@durably
def test_a_failed_delivery_is_tried_again_and_no_other(run: Run, target: Any, durable: bool) -> None:
    ops, night = target("ops"), target("night", PermanentDeliveryError("gone"))
    gateway = run(ops, night, durable=durable)
    found = gateway.post("Disk full")
    gateway.settle()
    delivered, failed = gateway.ask("GET", f"/api/alerts/{found}").json["deliveries"]
    assert gateway.ask("POST", f"/api/deliveries/{delivered['id']}/retry").status == 409
    assert gateway.ask("POST", "/api/deliveries/x/retry").status == 400
    night.error = None
    assert gateway.ask("POST", f"/api/deliveries/{failed['id']}/retry").json == {"retried": 1}
    gateway.settle()
    assert (ops.taken, night.taken) == (["Disk full"], ["Disk full"])
    told = gateway.ask("GET", f"/api/alerts/{found}").json["deliveries"]
    assert [(one["id"], one["state"]) for one in told] == [(delivered["id"], "delivered"), (failed["id"], "delivered")]
    assert gateway.ask("POST", "/api/retry", {"target": "night"}).json == {"retried": 0}
    assert gateway.ask("POST", "/api/retry", {"target": 7}).status == 422


@durably
def test_what_is_resolved_fires_no_more(run: Run, target: Any, durable: bool) -> None:
    gateway = run(target("ops"), durable=durable)
    gateway.post("Disk full", source="db1")
    gateway.post("Disk full", source="db1")
    gateway.post("Queue grows", source="queue")
    firing = gateway.ask("GET", "/api/firing").json["firing"]
    assert [(one["title"], one["count"]) for one in firing] == [("Queue grows", 1), ("Disk full", 2)]
    gateway.post("Disk slow", source="db2", severity="critical")
    gateway.post("Backup done", severity="info")
    found = gateway.ask("GET", "/api/firing").json["firing"]
    assert [one["title"] for one in found] == ["Disk slow", "Queue grows", "Disk full", "Backup done"]
    for title, source in (("Disk full", "db1"), ("Disk slow", "db2"), ("Backup done", None)):
        gateway.post(title, source=source, status="resolved")
    assert [one["title"] for one in gateway.ask("GET", "/api/firing").json["firing"]] == ["Queue grows"]


def test_a_repeat_that_was_not_told_is_shown_with_the_deliveries_of_its_event(run: Run, target: Any) -> None:
    gateway = run(target("ops"), routes=[Route(["ops"], {}, "all", repeat_every="4h")])
    gateway.post("Disk full", "98 %", source="db1")
    gateway.post("Disk fuller", source="db2")
    gateway.settle()
    repeat = gateway.post("Disk full", "99 %", source="db1")
    assert repeat in [one["alert"] for one in gateway.ask("GET", "/api/firing").json["firing"]]
    told = gateway.ask("GET", f"/api/alerts/{repeat}").json
    assert (told["message"], told["repeat"]) == ("99 %", True)
    assert [one["receipt"] for one in told["deliveries"]] == ["ops-1"]


@durably
def test_no_secret_is_told(run: Run, target: Any, durable: bool) -> None:
    ops = target("ops", PermanentDeliveryError("refused: password=hunter2secret"))
    redactor = Redactor(extra_keys=["iban"])
    gateway = run(
        ops, durable=durable, redactor=redactor, routes=[Route(["ops"], {"source": "db"}, "db"), Route([], {}, "rest")]
    )
    fields = {"metadata": {"iban": "AO06-1234", "api_key": "k3y-of-ours"}}
    found = gateway.post("Disk full", "postgres://app:hunter2secret@db/x", source="db", **fields)
    gateway.post("token=hunter2secret", source="quiet")
    gateway.settle()
    told = [gateway.ask("GET", f"/api/{path}") for path in (*READS, f"alerts/{found}")]
    text = json.dumps([answer.json for answer in told])
    assert "[REDACTED" in text
    for secret in ("hunter2secret", "AO06-1234", "k3y-of-ours"):
        assert secret not in text


def test_the_journal_is_bounded(run: Run, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alert_gateway.history.ALERTS", 3)
    monkeypatch.setattr("alert_gateway.history.BYTES", 1000)
    gateway = run(target("ops"), durable=False)
    for number in range(5):
        gateway.post(f"Disk {number}")
    assert len(gateway.ask("GET", "/api/alerts").json["alerts"]) == 3
    gateway.post("Large", "x" * 2000)
    assert [one["title"] for one in gateway.ask("GET", "/api/alerts").json["alerts"]] == ["Large"]
    assert gateway.ask("GET", "/api/overview").json["counts"]["alerts"] == 6


class Elsewhere:
    """A queue whose worker is another process."""

    keeps_state = delivers_here = False

    def put(self, dispatch: Dispatch) -> Stored:
        return Stored(parts=dispatch.parts)

    def open(self, desk: Desk) -> None:
        """There is nothing to open."""

    def conclude(self, dispatch_id: str) -> bool:
        raise NotImplementedError

    def flush(self, ends: float | None) -> bool:
        return ends is None

    def close(self, ends: float) -> None:
        """Nor to close."""

    def forget(self) -> None:
        """Nor to forget."""


def test_of_what_another_process_delivers_it_says_that_the_queue_has_it(run: Run, target: Any) -> None:
    gateway = run(target("ops"), durable=False, queue=Elsewhere())
    found = gateway.post("Disk full")
    (delivery,) = gateway.ask("GET", f"/api/alerts/{found}").json["deliveries"]
    assert (delivery["state"], delivery["outcome"]) == ("handed", None)
    assert len(gateway.ask("GET", "/api/alerts?state=handed").json["alerts"]) == 1
    assert gateway.ask("GET", "/api/overview").json["counts"]["waiting"] == 0


def test_without_a_durable_queue_there_is_nothing_to_silence(run: Run, target: Any) -> None:
    gateway = run(target("ops"), durable=False)
    answer = gateway.ask("POST", "/api/silences", CHANGES[0][2])
    assert (answer.status, "alert-outbox" in answer.json["error"]) == (409, True)
    assert gateway.ask("DELETE", "/api/silences/1").status == 404


def test_a_database_that_refuses_is_a_503(run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    gateway.dispatcher.queue.make_tables()
    gateway.dispatcher.queue.database.write(lambda connection, _: connection.execute("DROP TABLE alert_outbox_alerts"))
    answer = gateway.ask("GET", "/api/alerts")
    assert (answer.status, answer.response.headers["retry-after"]) == (503, "5")


def test_what_has_not_changed_is_not_told_again(run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    gateway.post("Disk full")
    gateway.settle()
    for path in ("overview", "alerts", "firing", "silences", "dropped"):
        tag = gateway.ask("GET", f"/api/{path}").response.headers["etag"]
        again = gateway.ask("GET", f"/api/{path}", headers={"if-none-match": tag})
        assert (again.status, again.response.body) == (304, b"")
    gateway.post("Queue grows")
    assert gateway.ask("GET", "/api/alerts", headers={"if-none-match": tag}).status == 200


def test_figures_are_found_out_once_for_all_who_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alert_gateway.pagedata.FRESH", 3600.0)
    counted = iter(range(9))
    kept = Kept(lambda: next(counted))
    assert [kept.value() for _ in range(3)] == [0, 0, 0]
    kept.forget()
    assert [kept.value() for _ in range(3)] == [1, 1, 1]


def test_every_answer_keeps_to_its_own_page(run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    for path in ("/", "/page/app.js", "/page/none.js", "/page/index.html", "/page/..%2fpageapi.py", "/api/alerts"):
        headers = gateway.ask("GET", path).response.headers
        assert headers["content-security-policy"] == POLICY
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert gateway.ask("GET", "/page/none.js").status == 404
    for word in ("unsafe", "*", "http:", "data:"):
        assert word not in POLICY


QUERIES = st.dictionaries(
    st.sampled_from(["state", "target", "severity", "source", "text", "since", "until", "before", "limit"]),
    st.one_of(st.text(max_size=20), st.sampled_from(["0", "1", "dead", "error", "2026-01-01T00:00:00Z", "9" * 30])),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@durably
def test_nothing_that_is_asked_is_an_error_of_ours(run: Run, target: Any, durable: bool) -> None:
    gateway = run(target("ops"), durable=durable)
    gateway.post("Disk full")
    gateway.settle()
    page = gateway.gateway

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        query=QUERIES, name=st.text(min_size=1, max_size=20), value=VALUES, field=VALUES, body=st.binary(max_size=40)
    )
    def ask(query: dict[str, str], name: str, value: Any, field: Any, body: bytes) -> None:
        made = {"match": field, "for": value, "author": "A", "reason": "r", "target": value, "token": value}
        answers = [
            page.handle(_request("GET", "/api/alerts", query=query)),
            page.handle(_request("GET", f"/api/alerts/{name}")),
            page.handle(_request("GET", f"/page/{name}")),
            *(
                page.handle(_request(method, f"/api/{path}", body=json.dumps(made).encode()))
                for method, path, _ in CHANGES
            ),
            *(page.handle(_request(method, f"/api/{path}", body=body)) for method, path, _ in CHANGES),
            page.handle(_request("POST", f"/api/deliveries/{name}/retry", body=b"{}")),
            page.handle(_request("PUT", "/api/session", body=json.dumps(made).encode())),
        ]
        assert [answer.status for answer in answers if answer.status >= 500] == []

    ask()


def _request(method: str, path: str, **more: Any) -> Request:
    headers = {"content-type": "application/json", "host": "localhost"}
    return Request(method=method, path=path, headers=headers, peer="127.0.0.1", **more)
