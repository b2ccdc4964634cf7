import base64
import gzip
import hashlib
import hmac
import json
import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, ConfigError, QueueError, Secret, SourceSpec
from alert_core.testing import VirtualClock
from alert_gateway.access import Keys, shown_tokens
from alert_gateway.bodies import MAX_BODY, unpacked
from alert_gateway.messages import RefusedError, Request
from alert_gateway.replays import Replays
from alert_gateway.state import State

Make = Callable[..., Any]
TOKENS = {"gateway": {"token": ["first-token", "second-token"]}}
EVENT = {"event_action": "trigger", "payload": {"summary": "s", "severity": "error"}}


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"any user:{password}".encode()).decode()


def ways(token: str) -> list[dict[str, Any]]:
    return [
        {"headers": {"authorization": f"Bearer {token}"}},
        {"headers": {"authorization": f"bearer  {token} "}},
        {"headers": {"authorization": f"GenieKey {token}"}},
        {"headers": {"authorization": token}},
        {"headers": {"x-api-key": token}},
        {"headers": {"authorization": basic(token)}},
        {"query": {"token": token}},
    ]


@pytest.mark.parametrize("way", range(7))
@pytest.mark.parametrize("token", ["first-token", "second-token"])
def test_each_of_two_tokens_opens_every_route_whichever_way_it_is_shown(make: Make, way: int, token: str) -> None:
    gateway = TOKENS["gateway"] | {"state": ":memory:"}
    asked = make({"gateway": gateway, "heartbeats": {"job": {"every": "24h"}}})
    for path in ("/alerts", "/alerts/pagerduty", "/heartbeat/job"):
        assert asked.post(path, EVENT | {"title": "a"}, **ways(token)[way])[0] == 202


def test_who_shows_a_wrong_token_is_told_so_and_who_shows_none_what_to_show(make: Make) -> None:
    asked = make(TOKENS)
    assert asked.post("/alerts", {}, headers={"x-api-key": "other"})[1] == {"error": "this token is not the one"}
    assert asked.post("/alerts", {})[1]["error"].startswith("show a token: ")


def test_what_sources_there_are_is_told_to_senders_alone(make: Make) -> None:
    asked = make(TOKENS)
    assert asked.post("/alerts/nothing", {})[0] == 401
    status, answer = asked.post("/alerts/nothing", {}, query={"token": "first-token"})
    assert (status, "grafana" in answer["sources"]) == (404, True)


@pytest.mark.parametrize("way", range(7))
@pytest.mark.parametrize("token", ["", "first-toke", "first-token2", "FIRST-TOKEN", "tökén"])
def test_no_other_token_does(make: Make, way: int, token: str) -> None:
    asked, shown = make(TOKENS), ways(token)[way]
    for path in ("/alerts", "/alerts/pagerduty", "/heartbeat/job"):
        response = asked.ask("POST", path, EVENT, **shown)
        assert response.status == 401
        assert "Bearer" in response.headers["www-authenticate"]
    assert asked.alerts == []


@pytest.mark.parametrize("header", ["Basic", "Basic x", "Basic ====", "Basic \xff", "", "Bearer", " "])
def test_a_header_that_is_no_credential_opens_nothing(make: Make, header: str) -> None:
    assert make(TOKENS).post("/alerts", EVENT, headers={"authorization": header})[0] == 401


def test_a_sources_own_token_takes_the_place_of_the_gateways(make: Make) -> None:
    asked = make(TOKENS | {"sources": {"pagerduty": {"token": "own-token"}}})
    assert asked.post("/alerts/pagerduty", EVENT, query={"token": "own-token"})[0] == 202
    assert asked.post("/alerts/pagerduty", EVENT, query={"token": "first-token"})[0] == 401
    assert asked.post("/alerts/opsgenie", EVENT, query={"token": "own-token"})[0] == 401


@pytest.mark.parametrize("tables", [TOKENS, {"sources": {"pagerduty": {"token": "first-token"}}}])
def test_a_token_may_be_in_the_body_where_the_source_has_a_place_for_it(make: Make, tables: dict[str, Any]) -> None:
    asked = make(tables)
    assert asked.post("/alerts/pagerduty", EVENT | {"routing_key": "first-token"})[0] == 202
    assert asked.post("/alerts/pagerduty", EVENT | {"routing_key": "other-token"})[0] == 401


def test_tokens_are_kept_as_hashes_alone() -> None:
    keys = Keys(Secret("first-token"))
    assert "first-token" in keys
    assert "first-token" not in repr(vars(keys))
    assert not Keys(())


def signed(body: bytes, secret: str = "canary-secret") -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


RUN = json.dumps({"action": "completed", "workflow_run": {"name": "ci", "conclusion": "failure"}}).encode()


def test_with_a_secret_the_signature_is_required_whatever_token_is_shown(make: Make) -> None:
    asked = make(TOKENS | {"sources": {"github": {"secret": "canary-secret"}}})
    assert asked.post("/alerts/github", RUN, headers=signed(RUN))[0] == 202
    status, answer = asked.post("/alerts/github", RUN, query={"token": "first-token"})
    assert (status, answer) == (403, {"error": "the signature of github is missing or wrong"})
    assert asked.post("/alerts/github", RUN + b" ", headers=signed(RUN))[0] == 403
    assert asked.post("/alerts/github", RUN, headers=signed(RUN, "another"))[0] == 403


def test_an_unsigned_message_of_sns_is_refused_unless_its_table_says_otherwise(make: Make) -> None:
    body = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "{}", "MessageId": "1"}
    assert make().post("/alerts/sns", body)[0] == 403
    assert make(TOKENS).post("/alerts/sns", body, query={"token": "first-token"})[0] == 403
    trusting = make(TOKENS | {"sources": {"sns": {"verify": False}}})
    assert trusting.post("/alerts/sns", body, query={"token": "first-token"})[0] == 202
    assert trusting.post("/alerts/sns", body | {"MessageId": "2"})[0] == 401


def test_a_delivery_that_comes_again_is_told_as_a_duplicate_and_tells_nobody(make: Make) -> None:
    asked = make()
    headers = {"x-github-delivery": "72d3162e"}
    assert asked.post("/alerts/github", RUN, headers=headers)[1]["accepted"] != []
    again = {"ok": True, "accepted": [], "ignored": 1, "duplicate": True}
    assert asked.post("/alerts/github", RUN, headers=headers) == (202, again)
    assert asked.post("/alerts/github", RUN, headers={"x-github-delivery": "another"})[1]["accepted"] != []
    assert len(asked.alerts) == 2


def test_a_delivery_that_was_not_accepted_is_no_duplicate_when_it_comes_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make()
    headers = {"x-github-delivery": "72d3162e"}
    with monkeypatch.context() as broken:
        broken.setattr(asked.gateway.intake, "take", None)
        assert asked.post("/alerts/github", RUN, headers=headers)[0] == 503
    assert asked.post("/alerts/github", RUN, headers=headers)[1]["accepted"] != []


def come(replays: Replays, request_id: str, source: str = "github") -> bool:
    with replays.once(source, request_id) as is_new:
        return is_new


def test_delivery_ids_are_remembered_for_a_day_and_no_more_than_so_many() -> None:
    clock, state = VirtualClock(), State(None)
    replays = Replays(state, clock, most=3)
    assert come(replays, "1")
    assert not come(replays, "1")
    assert come(replays, "1", "sentry")
    clock.advance(23 * 3600)
    assert not come(replays, "1")
    clock.advance(2 * 3600)
    assert come(replays, "1")
    for number in range(2, 6):
        clock.advance(3600)
        assert come(replays, str(number))
    assert state.write(lambda rows: rows.all("SELECT COUNT(*) FROM alert_gateway_replays")) == [(3,)]
    assert come(replays, "1")
    state.close()


def test_a_delivery_that_another_gateway_took_or_the_one_before_a_restart_is_a_duplicate(tmp_path: Path) -> None:
    states = [State(None, str(tmp_path / "s.db")) for _ in range(2)]
    assert come(Replays(states[0], VirtualClock()), "72d3162e \0 \udcff")
    assert not come(Replays(states[1], VirtualClock()), "72d3162e \0 \udcff")
    for state in states:
        state.close()


def test_a_delivery_that_comes_again_while_it_is_under_way_is_to_come_later(make: Make) -> None:
    began, go_on = threading.Event(), threading.Event()
    asked = make()
    headers = {"x-github-delivery": "72d3162e"}
    take = asked.gateway.intake.take

    def stuck(*arguments: Any) -> Any:
        began.set()
        assert go_on.wait(60)
        return take(*arguments)

    asked.gateway.intake.take = stuck
    first = threading.Thread(target=asked.post, args=("/alerts/github", RUN), kwargs={"headers": headers})
    first.start()
    assert began.wait(60)
    assert asked.post("/alerts/github", RUN, headers=headers)[0] == 503
    go_on.set()
    first.join(60)
    assert asked.post("/alerts/github", RUN, headers=headers)[1]["duplicate"]
    assert len(asked.alerts) == 1


def test_alerts_whose_delivery_id_cannot_be_kept_are_accepted_all_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make()
    write = asked.gateway.state.write

    def full(work: Any) -> Any:
        if work.__name__ == "note":
            raise QueueError("the disk is full")
        return write(work)

    monkeypatch.setattr(asked.gateway.state, "write", full)
    assert asked.post("/alerts/github", RUN, headers={"x-github-delivery": "72d3162e"})[0] == 202
    assert len(asked.alerts) == 1


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", None])
@pytest.mark.parametrize("host", ["localhost:8224", "127.0.0.1", "[::1]:8224", None])
def test_without_a_token_this_machine_may_ask(asked: Any, peer: str | None, host: str | None) -> None:
    headers = {"host": host} if host else {}
    assert asked.post("/alerts", {"title": "a"}, peer=peer, headers=headers)[0] == 202


@pytest.mark.parametrize(
    ("peer", "headers", "why"),
    [
        ("192.0.2.7", {}, "this machine alone may ask"),
        ("::ffff:192.0.2.7", {}, "this machine alone may ask"),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, "no proxy may pass requests on"),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, "no proxy may pass requests on"),
        ("127.0.0.1", {"host": "evil.example"}, "only loopback's names are answered"),
        ("127.0.0.1", {"host": "localhost.evil.example:8224"}, "only loopback's names are answered"),
        ("127.0.0.1", {"host": "[::1"}, "only loopback's names are answered"),
        ("127.0.0.1", {"host": "localhost:8224", "origin": "https://evil.example"}, "no other site's page"),
        ("127.0.0.1", {"host": "localhost:8224", "origin": "null"}, "no other site's page"),
        ("127.0.0.1", {"host": "localhost:8224", "origin": "http://[::"}, "no other site's page"),
    ],
)
def test_without_a_token_nobody_else_may(asked: Any, peer: str, headers: dict[str, str], why: str) -> None:
    for path in ("/alerts", "/alerts/grafana", "/heartbeat/job"):
        status, answer = asked.post(path, {"title": "a"}, peer=peer, headers=headers)
        assert status == 403
        assert why in answer["error"]
        assert "set [gateway] token" in answer["error"]
    assert asked.alerts == []


def test_with_a_token_anybody_may_who_shows_it(make: Make) -> None:
    asked = make(TOKENS)
    headers = {"x-api-key": "first-token", "host": "alerts.example.com", "x-forwarded-for": "192.0.2.7"}
    assert asked.post("/alerts", {"title": "a"}, peer="192.0.2.7", headers=headers)[0] == 202


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_show_no_token(make: Make, path: str) -> None:
    assert make(TOKENS).ask("GET", path, peer="192.0.2.7").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_what_names_targets_and_sources_is_for_who_shows_a_token_of_senders_or_of_the_page(
    make: Make, path: str
) -> None:
    asked = make({"gateway": {**TOKENS["gateway"], "page_token": "for-people"}})
    assert asked.ask("GET", path).status == 401
    assert asked.ask("GET", path, headers={"x-api-key": "another"}).status == 401
    for token in ("second-token", "for-people"):
        assert asked.ask("GET", path, peer="192.0.2.7", headers={"authorization": f"Bearer {token}"}).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_what_names_targets_and_sources_is_for_this_machine_where_there_is_no_token(make: Make, path: str) -> None:
    asked = make({"gateway": {"page_token": "for-people"}})
    assert asked.ask("GET", path, peer="127.0.0.1").status == 200
    assert asked.ask("GET", path, peer="192.0.2.7").status == 403
    assert asked.ask("GET", path, peer="192.0.2.7", headers={"x-api-key": "for-people"}).status == 200


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": lambda body: body,
    "": lambda body: body,
    "gzip, deflate": lambda body: zlib.compress(gzip.compress(body)),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_packed_body_is_unpacked(asked: Any, coding: str) -> None:
    body = CODINGS[coding](b'{"title": "packed"}')
    assert asked.post("/alerts", body, headers={"content-encoding": coding})[0] == 202
    assert asked.alerts[0].title == "packed"


def test_deflate_without_its_header_is_understood_too() -> None:
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(b"raw") + packer.flush()
    assert unpacked(body, {"content-encoding": "deflate"}) == b"raw"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_refused_without_being_unpacked(asked: Any, coding: str) -> None:
    body = CODINGS[coding](b" " * (64 * 1024 * 1024))
    assert len(body) < MAX_BODY
    error = f"a body has at most {MAX_BODY} bytes"
    assert asked.post("/alerts", body, headers={"content-encoding": coding}) == (413, {"error": error})


def test_the_largest_body_is_taken_and_one_byte_more_is_not(asked: Any) -> None:
    body = json.dumps({"title": "a", "message": ""}).encode()
    body = body.replace(b'""', b'"%s"' % (b"x" * (MAX_BODY - len(body))))
    assert len(body) == MAX_BODY
    assert asked.post("/alerts", body)[0] == 202
    assert asked.post("/alerts", body + b" ")[0] == 413


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [("br", b"x", 415), ("gzip", b"x", 400), ("deflate", b"x", 400), ("gzip", gzip.compress(b"{}", mtime=0)[:-1], 400)],
)
def test_a_body_that_is_not_of_its_coding_is_refused(asked: Any, coding: str, body: bytes, status: int) -> None:
    assert asked.post("/alerts", body, headers={"content-encoding": coding})[0] == status


@given(st.binary(max_size=200), st.lists(st.sampled_from(["gzip", "deflate", "identity", "br", ""]), max_size=3))
def test_any_bytes_of_any_coding_are_a_body_or_refused(body: bytes, codings: list[str]) -> None:
    found, status = b"", 200
    try:
        found = unpacked(body, {"content-encoding": ", ".join(codings)})
    except RefusedError as error:
        status = error.status
    assert status in {200, 400, 413, 415}
    assert len(found) <= MAX_BODY


@given(st.text(max_size=50), st.text(max_size=20))
def test_any_header_may_be_shown(header: str, token: str) -> None:
    request = Request(method="POST", path="/", headers={"authorization": header, "x-api-key": token})
    assert all(isinstance(shown, str) for shown in shown_tokens(request))


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"sources": {"graffana": {}}}, 'sources.graffana: no such format; did you mean "grafana"?'),
        ({"sources": {"mine": {"type": "gryphon"}}}, "sources.mine.type: no such format; there are alertmanager"),
        ({"sources": {"a/b": {"type": "grafana"}}}, "sources.a/b: a name has letters"),
        ({"gateway": {"token": ""}}, "gateway.token: must be a text that is not empty"),
        ({"gateway": {"page_token": [" "]}}, "gateway.page_token: must be a text that is not empty"),
        ({"gateway": {"token": 5}}, "gateway.token: must be a text that is not empty"),
        ({"sources": {"github": {"secret": ""}}}, "sources.github.secret: must"),
        ({"heartbeats": {"job": {"every": "1h", "targets": ["memroy"]}}}, 'no such target; did you mean "memory"?'),
        ({"heartbeats": {"a job": {"every": "1h"}}}, "heartbeats.a job: a name has letters"),
        ({"gateway": {"rate": "many"}}, 'gateway.rate: must be a count and a time, as "100/1m"'),
        ({"gateway": {"answer_within": 0}}, "gateway.answer_within: must be more than 0"),
        ({"heartbeats": {"job": {}}}, "heartbeats.job.every: required option missing"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_its_path(make: Make, tables: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as told:
        make(tables)
    assert fault in str(told.value)


def test_every_fault_is_told_at_once(make: Make) -> None:
    with pytest.raises(ConfigError) as told:
        make({"heartbeats": {"a b": {"every": 1}}, "sources": {"a": {}, "b": {}}})
    assert len(told.value.faults) == 3


def test_a_body_of_a_sender_is_never_a_format(make: Make) -> None:
    asked = make({}, SourceSpec("quoting", lambda body, headers, query: [Alert(body.decode(), "{0.__class__} %s")]))
    assert asked.post("/alerts/quoting", b"{settings.token} %(a)s")[0] == 202
    assert asked.alerts[0].title == "{settings.token} %(a)s"


def test_a_source_that_takes_its_time_holds_up_nobody_else(make: Make) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> list[Alert]:
        began.set()
        assert go_on.wait(60)
        return [Alert("late", "late")]

    asked = make({}, SourceSpec("slow", slow))
    waiting = threading.Thread(target=asked.post, args=("/alerts/slow", {}))
    waiting.start()
    assert began.wait(60)
    assert asked.post("/alerts", {"title": "a"})[0] == 202
    go_on.set()
    waiting.join(60)
    assert {alert.title for alert in asked.alerts} == {"a", "late"}
