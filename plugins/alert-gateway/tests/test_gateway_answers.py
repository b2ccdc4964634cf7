import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, Dispatcher, QueueError, Secret, SourceSpec
from alert_core.plugins import Plugins
from alert_gateway.gateway import MAX_WAITERS, Gateway
from alert_gateway.messages import RefusedError, Request
from alert_gateway.own import MAX_TITLE, own_alert

Make = Callable[..., Any]
TUTORIAL = {
    "level": "critical",
    "service": "payments-api",
    "description": "Error rate exceeded 5% for 3 consecutive minutes",
}
THREE_LEVELS = {
    "routes": [
        {"name": "critical", "match": {"severity": "critical"}, "targets": ["memory"]},
        {"name": "info", "match": {"severity": "info"}, "targets": []},
        {"name": "default", "targets": ["memory"]},
    ]
}


def test_the_tutorials_body_becomes_an_alert(asked: Any) -> None:
    status, answer = asked.post("/alerts", TUTORIAL)
    assert status == 202
    (alert,) = asked.alerts
    assert answer == {
        "ok": True,
        "accepted": [{"id": alert.id, "dedup_key": alert.dedup_key, "status": "accepted"}],
        "ignored": 0,
    }
    assert (alert.severity, alert.source) == ("critical", "payments-api")
    assert alert.title == "payments-api: Error rate exceeded 5% for 3 consecutive minutes"
    assert alert.message == "Error rate exceeded 5% for 3 consecutive minutes"


def test_what_the_tutorials_body_leaves_out_is_filled_in_as_the_tutorial_does(asked: Any) -> None:
    assert asked.post("/alerts", {"description": "first line\nsecond"})[0] == 202
    (alert,) = asked.alerts
    assert (alert.severity, alert.source, alert.title) == ("info", "unknown", "unknown: first line")


def test_a_long_description_is_cut_in_the_title_alone(asked: Any) -> None:
    asked.post("/alerts", {"service": "api", "description": "x" * 500})
    (alert,) = asked.alerts
    assert len(alert.title) == MAX_TITLE
    assert alert.message == "x" * 500


def test_our_own_fields_are_taken_as_they_are(asked: Any) -> None:
    body = {
        "title": "Disk full",
        "message": "/var is at 98 %",
        "severity": "error",
        "source": "web1",
        "tags": ["disk", "prod"],
        "metadata": {"host": "web1"},
        "status": "resolved",
        "dedup_key": "disk:web1",
        "url": "https://grafana.example/d/1",
        "created_at": "2026-01-02T03:04:05Z",
        "id": "abc",
        "correlation_id": "def",
        "request_id": "ghi",
    }
    assert asked.post("/alerts", body)[0] == 202
    (alert,) = asked.alerts
    assert alert.to_dict() == body | {"created_at": "2026-01-02T03:04:05+00:00"}


def test_a_list_is_accepted_in_its_order(asked: Any) -> None:
    status, answer = asked.post("/alerts", [{"title": f"alert {number}"} for number in range(500)])
    assert status == 202
    assert [one["id"] for one in answer["accepted"]] == [
        alert.id for number in range(500) for alert in asked.alerts if alert.title == f"alert {number}"
    ]


def test_an_empty_list_is_accepted_and_tells_nobody(asked: Any) -> None:
    assert asked.post("/alerts", []) == (202, {"ok": True, "accepted": [], "ignored": 0})


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 422, "description is required"),
        ({"titel": "a"}, 422, "a title, a message or a description is required"),
        ({"level": "critical", "description": " "}, 422, "description is required"),
        ([{"title": "a"}, {"level": "critical"}], 422, "alert 1: description is required"),
        ([{"title": "a"}, 5], 422, 'alert 1: an alert is a JSON object, as {"title": …, "severity": …}'),
        ("text", 422, 'an alert is a JSON object, as {"title": …, "severity": …}'),
        ({"title": ["a"]}, 422, "title must be a text"),
        ({"title": "a", "tags": [1]}, 422, "tags must be a list of texts"),
        ({"title": "a", "metadata": []}, 422, "metadata must be an object"),
        ({"title": "a", "status": "over"}, 422, "status must be one of firing, acknowledged, resolved"),
        ([{"title": "a"}] * 501, 422, "at most 500 alerts in one body"),
        (b"{", 400, "the body is not JSON (line 1, column 2)"),
        (b"", 400, "the body is empty"),
        (b"[" * 100_000, 400, "the body is nested more than 64 deep"),
    ],
)
def test_what_is_no_alert_is_refused_with_what_is_wrong(asked: Any, body: object, status: int, error: str) -> None:
    assert asked.post("/alerts", body) == (status, {"error": error})
    assert asked.alerts == []


@pytest.mark.parametrize("raw", ["nonsense", "P3", 7, ["high"], {"a": 1}, True])
def test_no_severity_is_ever_refused_and_the_raw_one_is_kept(asked: Any, raw: object) -> None:
    assert asked.post("/alerts", {"title": "a", "severity": raw})[0] == 202
    (alert,) = asked.alerts
    assert alert.severity == "warning"
    assert alert.metadata["severity_raw"] == raw


def test_what_an_alert_does_not_need_never_costs_it(asked: Any) -> None:
    body = {"title": "a", "url": "ftp://x", "created_at": "yesterday", "host": "web1", "severity": None, "tags": "one"}
    assert asked.post("/alerts", body)[0] == 202
    (alert,) = asked.alerts
    assert alert.metadata == {"url": "ftp://x", "created_at": "yesterday", "host": "web1"}
    assert (alert.tags, alert.url) == (("one",), None)


def test_secrets_in_a_body_are_masked(asked: Any) -> None:
    secret = Secret("canary-71fe0c")
    asked.post("/alerts", {"service": "db", "description": f"login failed: {secret.reveal()}", "api_key": "hunter2"})
    told = json.dumps(asked.alerts[0].to_dict())
    assert "canary-71fe0c" not in told
    assert "hunter2" not in told


def test_waiting_gives_the_report_and_in_the_tutorials_words_whether_it_was_sent(make: Make) -> None:
    asked = make(THREE_LEVELS)
    status, answer = asked.post("/alerts", TUTORIAL, query={"wait": "30"})
    assert status == 200
    assert (answer["ok"], answer["sent"], answer["message_id"]) == (True, True, answer["accepted"][0]["id"])
    assert answer["report"]["deliveries"][0]["outcome"] == "delivered"
    status, answer = asked.post("/alerts", TUTORIAL | {"level": "info"}, query={"wait": "30"})
    assert status == 200
    assert (answer["ok"], answer["sent"], answer["reason"]) == (True, False, "no recipients for this level")
    assert answer["accepted"][0]["status"] == "unrouted"
    assert "message_id" not in answer


def test_waiting_for_our_own_format_gives_the_report_alone(asked: Any) -> None:
    answer = asked.post("/alerts", {"title": "a"}, query={"wait": "30"})[1]
    assert set(answer) == {"ok", "accepted", "ignored", "report"}


def test_waiting_for_a_list_gives_a_report_each(asked: Any) -> None:
    answer = asked.post("/alerts", [{"title": "a"}, TUTORIAL], query={"wait": "30"})[1]
    assert [report["report"]["ok"] for report in answer["reports"]] == [True, True]
    assert answer["ok"] is True


def test_who_waits_when_many_do_is_told_at_once_how_it_stands(make: Make) -> None:
    asked, go_on = make({"targets": {"memory": {"type": "memory", "timeout": 300}}}), threading.Event()
    asked.dispatcher.targets["memory"].send = lambda alert: go_on.wait(60) and None
    began = threading.Barrier(MAX_WAITERS + 1)
    report = asked.gateway.intake.report

    def counted(taken: Any, seconds: float) -> Any:
        if seconds:
            began.wait(60)
        return report(taken, seconds)

    asked.gateway.intake.report = counted
    waiting = [
        threading.Thread(target=asked.post, args=("/alerts", TUTORIAL), kwargs={"query": {"wait": "30"}})
        for _ in range(MAX_WAITERS)
    ]
    for thread in waiting:
        thread.start()
    began.wait(60)
    status, answer = asked.post("/alerts", TUTORIAL, query={"wait": "30"})
    assert (status, answer["sent"], answer["reason"]) == (200, False, "still under way")
    go_on.set()
    for thread in waiting:
        thread.join(60)
    assert not any(thread.is_alive() for thread in waiting)


@pytest.mark.parametrize("wait", ["", "soon", "-1", "nan"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(asked: Any, wait: str) -> None:
    error = "wait is a number of seconds, at most 30"
    assert asked.post("/alerts", {"title": "a"}, query={"wait": wait}) == (400, {"error": error})


class Failing:
    def __init__(self) -> None:
        self.name = "failing"

    def send(self, _alert: Alert) -> None:
        raise TypeError


def test_waiting_for_what_fails_says_why(make: Make) -> None:
    asked = make({"targets": {"memory": {"type": "memory"}}})
    asked.dispatcher.targets["memory"].send = Failing().send
    status, answer = asked.post("/alerts", TUTORIAL, query={"wait": "30"})
    assert (status, answer["ok"], answer["sent"], answer["reason"]) == (200, False, False, "TypeError")


def test_an_unknown_source_is_answered_with_those_that_there_are(asked: Any) -> None:
    status, answer = asked.post("/alerts/graffana", {})
    assert status == 404
    assert answer["sources"] == sorted(asked.gateway.sources)
    assert "grafana" in answer["error"]


def odd(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> list[Alert]:
    raise LookupError(body)


def test_a_body_of_unknown_shape_is_delivered_and_said_to_be_one(make: Make) -> None:
    asked = make({}, SourceSpec("odd", odd))
    body = {"password": "hunter2", "note": "x" * 2000}
    status, answer = asked.post("/alerts/odd", body)
    assert status == 202
    assert len(answer["accepted"]) == 1
    (alert,) = asked.alerts
    assert (alert.title, alert.severity, alert.source) == ("Unrecognised payload from odd", "warning", "odd")
    assert len(alert.message) == 1000
    assert "hunter2" not in alert.message


def test_the_default_severity_of_a_source_holds_for_what_is_unknown_too(make: Make) -> None:
    asked = make({"sources": {"odd": {"default_severity": "critical"}}}, SourceSpec("odd", odd))
    asked.post("/alerts/odd", {"a": 1})
    assert asked.alerts[0].severity == "critical"


def test_a_source_of_a_plugin_gets_its_table_where_it_asks_for_it(make: Make) -> None:
    def parse(body: bytes, headers: Mapping[str, str], query: Mapping[str, str], settings: Any) -> list[Alert]:
        fields = dict(settings.fields)
        return [Alert(f"{body.decode()} {headers['x-a']} {query['b']} {fields['title']}", "m", source="mine")]

    asked = make({"sources": {"mine": {"fields": {"title": "t"}}}}, SourceSpec("mine", parse))
    asked.ask("POST", "/alerts/mine", b"body", headers={"x-a": "header"}, query={"b": "query"})
    assert asked.alerts[0].title == "body header query t"


def test_a_message_that_is_no_alert_is_counted_as_ignored(make: Make) -> None:
    asked = make({}, SourceSpec("quiet", lambda body, headers, query: []))
    assert asked.post("/alerts/quiet", {}) == (202, {"ok": True, "accepted": [], "ignored": 1})
    assert asked.metrics()['alert_gateway_ignored_total{source="quiet"}'] == 1


def test_two_sources_of_one_format_have_names_and_keys_of_their_own(make: Make) -> None:
    tables = {"sources": {"eu": {"type": "pagerduty"}, "us": {"type": "pagerduty"}}}
    asked = make(tables)
    event = {"event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "severity": "error"}}
    for name in ("eu", "us", "pagerduty"):
        assert asked.post(f"/alerts/{name}", event)[0] == 202
    assert sorted((alert.source, alert.dedup_key) for alert in asked.alerts) == [
        ("eu", "eu:k"),
        ("pagerduty", "pagerduty:k"),
        ("us", "us:k"),
    ]


@pytest.mark.parametrize("name", ["grafana-auth", "vault-secret", "api-token", "password", "grafana"])
def test_a_source_whatever_its_name_tells_each_incident_and_its_resolve_apart(make: Make, name: str) -> None:
    asked = make({"sources": {name: {"type": "grafana"}}})
    for status, mark in [("firing", "a" * 15), ("firing", "b" * 15), ("resolved", "a" * 15), ("firing", "1:c4edaa")]:
        asked.post(f"/alerts/{name}", {"alerts": [{"status": status, "labels": {"a": "b"}, "fingerprint": mark}]})
    first, second, resolve, third = (alert.dedup_key for alert in asked.alerts)
    assert len({first, second, third}) == 3
    assert resolve == first
    assert "REDACTED" not in first + second + third


@pytest.mark.parametrize("path", ["/alerts", "/alerts/pagerduty", "/alerts/generic"])
def test_a_senders_own_key_that_looks_like_a_secret_stays_one_of_its_own(asked: Any, path: str) -> None:
    for word in ("rotation", "expiry", "rotation"):
        key = f"db/password: {word} due"
        more = {"payload": {"summary": "s"}, "event_action": "trigger"} if "pager" in path else {"title": "t"}
        asked.post(path, {"dedup_key": key} | more)
    first, second, again = (alert.dedup_key for alert in asked.alerts)
    assert first == again != second
    assert "rotation" not in first


@pytest.mark.parametrize("service", ["vault-secret", "secrets", "password", "auth"])
def test_the_tutorials_title_tells_of_a_service_whatever_its_name(asked: Any, service: str) -> None:
    for text in ("Timeout", "p99=3s", "5% of 70 fail"):
        asked.post("/alerts", {"service": service, "description": text})
    alerts = asked.alerts
    assert all(alert.message in alert.title and service in alert.title for alert in alerts)
    assert len({alert.dedup_key for alert in alerts}) == 3


def test_what_a_senders_own_client_looks_for_is_in_the_answer_too(asked: Any) -> None:
    event = {"event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "severity": "error"}}
    answer = asked.post("/alerts/pagerduty", event)[1]
    assert (answer["status"], answer["dedup_key"]) == ("success", "k")
    assert answer["ok"] is True


def test_a_path_and_a_method_that_there_are_not_are_told(asked: Any) -> None:
    assert asked.post("/nothing", {})[0] == 404
    response = asked.ask("DELETE", "/alerts")
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert asked.ask("GET", "/alerts/grafana").status == 405
    assert asked.ask("POST", "/metrics").headers["allow"] == "GET, HEAD"


class Refusing:
    keeps_state = delivers_here = False

    def open(self, desk: object) -> None: ...

    def put(self, dispatches: object) -> None:
        raise QueueError("the disk is full")

    put_many = put

    def conclude(self, dispatch_id: str) -> bool:
        return True

    def flush(self, ends: float | None) -> bool:
        return True

    def close(self, ends: float) -> None: ...

    def forget(self) -> None: ...


def test_what_the_store_refuses_is_a_503_with_retry_after() -> None:
    with Dispatcher([Failing()], queue=Refusing(), plugins=Plugins(), deadline=1.0) as dispatcher:  # type: ignore[arg-type]  # a queue as far as it is asked
        gateway = Gateway(dispatcher)
        response = gateway.handle(Request(method="POST", path="/alerts", body=b'{"title": "a"}'))
        gateway.close()
    assert (response.status, response.headers["retry-after"]) == (503, "5")
    assert json.loads(response.body) == {"error": "the disk is full"}


def test_a_closed_dispatcher_is_a_503(asked: Any) -> None:
    asked.dispatcher.close(0)
    assert asked.post("/alerts", {"title": "a"})[0] == 503


def test_whatever_goes_wrong_is_a_503_and_its_log_line_has_nothing_of_the_body(
    asked: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(asked.gateway.intake, "take", broken)
    status, answer = asked.post("/alerts", {"title": "canary"})
    assert (status, answer) == (503, {"error": "the request could not be handled (RuntimeError)"})
    assert "canary" not in caplog.text


def test_a_secret_in_a_path_is_in_no_log_line(asked: Any, caplog: pytest.LogCaptureFixture) -> None:
    token = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0hJ3kL6"
    asked.ask("POST", f"/nothing/{'x' * 160}/{token}/y")
    assert "POST /nothing/" in caplog.text
    assert token[:12] not in caplog.text


def test_a_log_line_is_one_line_and_has_no_token(asked: Any, caplog: pytest.LogCaptureFixture) -> None:
    asked.ask("POST", "/alerts/x\nINFO forged line", b"{}", query={"token": "canary"}, headers={"x-api-key": "canary"})
    assert "\n" not in caplog.records[-1].getMessage()
    assert "canary" not in caplog.text


@given(
    st.dictionaries(
        st.sampled_from("title message description service source level severity tags url created_at id x".split()),
        st.none() | st.booleans() | st.integers() | st.text(max_size=300) | st.lists(st.text(), max_size=2),
    )
)
def test_any_object_is_an_alert_within_its_limits_or_refused_by_name(body: dict[str, Any]) -> None:
    alert, refused = None, ""
    try:
        alert = own_alert(body)
    except RefusedError as error:
        refused = str(error)
    if alert is None:
        assert any(word in refused for word in ("required", "must be"))
        return
    assert alert.title.strip()
    if not body.get("title") and not body.get("message"):
        assert len(alert.title) <= MAX_TITLE
        assert "\n" not in alert.title
