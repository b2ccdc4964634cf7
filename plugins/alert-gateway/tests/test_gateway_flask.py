import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

flask = pytest.importorskip("flask")

import alert_outbox.plugin  # noqa: E402 - after the line above
from alert_gateway.flask import blueprint  # noqa: E402 - it imports Flask

Make = Callable[..., Any]
TUTORIAL = {"level": "critical", "service": "payments-api", "description": "Error rate exceeded 5%"}


def client(gateway: Any, **options: Any) -> Any:
    app = flask.Flask(__name__)
    app.register_blueprint(blueprint(gateway, **options))
    return app.test_client()


def test_it_drops_into_an_application_that_has_routes_of_its_own(asked: Any) -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "home", endpoint="home")
    app.register_blueprint(blueprint(asked.gateway))
    browser = app.test_client()
    answer = browser.post("/alerts", json=TUTORIAL)
    assert answer.status_code == 202
    assert answer.json["accepted"][0]["id"] == asked.alerts[0].id
    assert browser.get("/").text == "home"
    assert browser.get("/nothing").status_code == 404


def test_every_route_is_there(asked: Any) -> None:
    browser = client(asked.gateway)
    assert browser.post("/alerts?wait=30", json=TUTORIAL).json["sent"] is True
    assert (
        browser.post("/alerts/pagerduty", json={"event_action": "trigger", "payload": {"summary": "s"}}).status_code
        == 202
    )
    assert browser.post("/heartbeat/x").status_code == 404
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert browser.get(path).status_code == 200
    assert browser.delete("/alerts").headers["Allow"] == "POST"


def test_it_may_be_mounted_below_a_prefix(asked: Any) -> None:
    app = flask.Flask(__name__)
    app.register_blueprint(blueprint(asked.gateway), url_prefix="/ops")
    assert app.test_client().post("/ops/alerts", json=TUTORIAL).status_code == 202
    assert app.test_client().post("/alerts", json=TUTORIAL).status_code == 404


def test_the_status_page_is_served_where_it_is_asked_for(asked: Any) -> None:
    assert client(asked.gateway).get("/").status_code == 404
    assert b"<!doctype html>" in client(asked.gateway, page=True).get("/").data.lower()


def test_bytes_queries_headers_and_the_peer_arrive_as_they_were_sent(make: Make) -> None:
    asked = make({"gateway": {"token": "tok"}})
    browser = client(asked.gateway)
    assert browser.post("/alerts?token=tok", data=b'{"title": "a"}').status_code == 202
    assert browser.post("/alerts", data=b'{"title": "a"}', headers={"X-Api-Key": "tok"}).status_code == 202
    assert browser.post("/alerts", data=b'{"title": "a"}').status_code == 401
    unprotected = client(make().gateway)
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert unprotected.post("/alerts", data=b'{"title": "a"}', environ_base=far).status_code == 403


def test_where_the_database_is_locked_the_sender_is_told_so_in_time(make: Make, tmp_path: Path) -> None:
    path = str(tmp_path / "alerts.db")
    asked = make({"queue": {"type": "outbox", "path": path}, "gateway": {"answer_within": 0.2}}, alert_outbox.plugin)
    browser = client(asked.gateway)
    asked.post("/alerts", TUTORIAL)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = browser.post("/alerts", json=TUTORIAL)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json["error"] == "this takes too long; it may have been accepted all the same"
        assert browser.get("/healthz").status_code == 200
        other.execute("ROLLBACK")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork_a_child_answers_with_threads_of_its_own(asked: Any) -> None:
    browser = client(asked.gateway)
    assert browser.get("/openapi.json").status_code == 200
    child = os.fork()
    if not child:
        os._exit(browser.get("/openapi.json").status_code != 200)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_slash_at_the_end_makes_no_difference(asked: Any) -> None:
    browser = client(asked.gateway)
    assert browser.post("/alerts/?wait=30", json=TUTORIAL).json["sent"] is True
    assert browser.post("/alerts/generic/", json=TUTORIAL).status_code == 202
    assert browser.get("/healthz/").status_code == 200


def test_a_body_over_the_limit_is_refused(asked: Any) -> None:
    assert client(asked.gateway).post("/alerts", data=b"x" * 300_000).status_code == 413


def test_without_a_dispatcher_it_is_made_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alerts.toml").write_text('[targets.quiet]\ntype = "noop"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALERT_CONFIG", raising=False)
    made: list[Any] = []
    monkeypatch.setattr("alert_gateway.flask.atexit.register", made.append)
    answer = client(None).post("/alerts", json=TUTORIAL)
    assert json.loads(answer.data)["ok"] is True
    for close in made:
        close()
        close.__self__.dispatcher.close(0)
