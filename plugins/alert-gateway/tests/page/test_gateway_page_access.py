"""Who may see the status page, and what may change anything."""

from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Route
from alert_core.testing import VirtualClock
from alert_gateway.pageapi import MAX_BODY
from alert_gateway.sessions import COOKIE, LASTS

Run = Callable[..., Any]
READS = ("overview", "alerts", "alerts/nobody", "firing", "silences", "dropped")
CHANGES = (
    ("POST", "silences", {"match": {"source": "db"}, "for": "2h", "author": "Ana", "reason": "upgrade"}),
    ("POST", "silences/preview", {"match": {"source": "db"}}),
    ("DELETE", "silences/1", None),
    ("POST", "deliveries/1/retry", None),
    ("POST", "retry", None),
)


def everything(gateway: Any, **more: Any) -> list[int]:
    """The statuses of everything that can be asked."""
    reads = [gateway.ask("GET", f"/api/{path}", **more).status for path in READS]
    return reads + [gateway.ask(method, f"/api/{path}", value, **more).status for method, path, value in CHANGES]


def test_without_a_token_it_is_for_this_machine_alone(run: Run, target: Any) -> None:
    gateway = run(target("ops"), token="for-senders")
    for asked in (
        {"peer": "192.0.2.7"},
        {"peer": None},
        {"headers": {"host": "alerts.example.org"}},
        {"headers": {"x-forwarded-for": "192.0.2.7"}},
        {"headers": {"forwarded": "for=192.0.2.7"}},
        {"headers": {"origin": "https://evil.example"}},
        {"peer": "192.0.2.7", "headers": {"authorization": "Bearer for-senders"}},
    ):
        assert {*everything(gateway, **asked)} == {403}, asked
        assert gateway.ask("GET", "/", **asked).status == 403
    assert "page_token" in gateway.ask("GET", "/api/overview", peer="192.0.2.7").json["error"]
    assert not {401, 403} & {*everything(gateway)}
    assert not {401, 403} & {*everything(gateway, peer="::1", headers={"host": "[::1]:8224"})}


def test_with_a_token_everything_needs_it_on_this_machine_too(run: Run, target: Any) -> None:
    gateway = run(target("ops"), token="for-senders", page_token=("for-the-page", "its-successor"))
    for shown in (
        {},
        {"authorization": "Bearer for-senders"},
        {"authorization": "Bearer "},
        {"authorization": "Basic Zm9yLXRoZS1wYWdl"},
        {"x-api-key": "for-the-page"},
        {"cookie": f"{COOKIE}=for-the-page"},
        {"cookie": f"{COOKIE}=99999999999.{'0' * 64}"},
    ):
        assert {*everything(gateway, headers=shown)} == {401}, shown
    assert gateway.ask("GET", "/api/overview?token=for-the-page").status == 401
    assert not {401, 403} & {*everything(gateway, headers={"authorization": "Bearer for-the-page"})}
    away = {"peer": "192.0.2.7", "headers": {"authorization": "bearer its-successor", "host": "alerts.example.org"}}
    assert not {401, 403} & {*everything(gateway, **away)}
    for path in ("/", "/page/app.js", "/page/style.css", "/page/icon.svg"):  # which have nothing in them
        assert gateway.ask("GET", path, peer="192.0.2.7").status == 200


def test_the_pages_token_opens_nothing_for_senders(run: Run, target: Any) -> None:
    gateway = run(target("ops"), token="for-senders", page_token="for-the-page")
    headers = {"authorization": "Bearer for-the-page"}
    assert gateway.ask("POST", "/alerts", {"title": "Disk full"}, headers=headers).status == 401


def signed_in(gateway: Any, token: str = "for-the-page", **headers: str) -> str:
    """The cookie that a token gets."""
    answer = gateway.ask("PUT", "/api/session", {"token": token}, headers=headers)
    assert answer.status == 204
    return str(answer.response.headers["set-cookie"])


def test_a_cookie_holds_for_a_week_and_as_long_as_its_token(run: Run, target: Any) -> None:
    clock = VirtualClock(1e9)
    gateway = run(target("ops"), page_token="for-the-page", gateway_clock=clock)
    cookie = signed_in(gateway)
    assert cookie.endswith(f"; Path=/; Max-Age={LASTS}; HttpOnly; SameSite=Strict")
    assert signed_in(gateway, origin="https://alerts.example.org").endswith("; SameSite=Strict; Secure")
    held = {"cookie": f'other="a; b"; {cookie.partition(";")[0]}; more'}
    assert gateway.ask("GET", "/api/overview", headers=held).status == 200
    assert "for-the-page" not in cookie
    other = run(target("ops"), page_token="another-token-of-41", gateway_clock=clock)
    assert other.ask("GET", "/api/overview", headers=held).status == 401
    twin = run(target("ops"), page_token=("another-token-of-41", "for-the-page"), gateway_clock=clock)
    assert twin.ask("GET", "/api/overview", headers=held).status == 200


def test_a_cookie_that_is_changed_or_too_old_is_none(run: Run, target: Any) -> None:
    gateway = run(target("ops"), page_token="for-the-page")
    value = signed_in(gateway).partition(";")[0]
    until, _, signature = value.partition("=")[2].partition(".")
    mended = f"{int(until) + 1}.{signature}"
    for changed in (mended, f"{until}.{signature[:-1]}", until, "", ".", f".{signature}", f"٣.{signature}"):
        assert gateway.ask("GET", "/api/overview", headers={"cookie": f"{COOKIE}={changed}"}).status == 401
    gone = gateway.ask("DELETE", "/api/session").response.headers["set-cookie"]
    assert gone.startswith(f"{COOKIE}=;")
    assert "Max-Age=0" in gone


@pytest.mark.parametrize("token", ["", "wrong", None, 1, ["for-the-page"], "for-the-pag\ud800"])
def test_another_token_gets_no_cookie(run: Run, target: Any, token: Any) -> None:
    gateway = run(target("ops"), page_token="for-the-page")
    answer = gateway.ask("PUT", "/api/session", {"token": token})
    assert (answer.status, answer.json) == (401, {"error": "that is not the page's token"})


def test_no_other_sites_page_can_change_anything(run: Run, target: Any) -> None:
    gateway = run(target("ops"), page_token="for-the-page")
    cookie = {"cookie": signed_in(gateway).partition(";")[0]}
    for method, path, value in CHANGES:
        simple = gateway.ask(method, f"/api/{path}", value, headers=cookie | {"content-type": "text/plain"})
        assert simple.status == 415
        for site in ("cross-site", "same-site"):
            assert gateway.ask(method, f"/api/{path}", value, headers=cookie | {"sec-fetch-site": site}).status == 403
    own = cookie | {"sec-fetch-site": "same-origin"}
    assert gateway.ask("POST", "/api/silences", CHANGES[0][2], headers=own).status == 201
    assert gateway.ask("GET", "/api/silences", headers=own).json["silences"][0]["author"] == "Ana"


def test_only_small_bodies_are_taken(run: Run, target: Any) -> None:
    gateway = run(target("ops"))
    value = {"match": {"source": "x" * MAX_BODY}, "author": "Ana", "reason": "upgrade"}
    assert gateway.ask("POST", "/api/silences", value).status == 413
    assert gateway.ask("PUT", "/api/session", {"token": "x" * MAX_BODY}).status == 413


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"match": {}}, "one field"),
        ({"match": None}, "one field"),
        ({"match": {"sverity": "error"}}, 'did you mean "severity"'),
        ({"match": {"source": "re:("}}, "source"),
        ({"for": "soon"}, "a time"),
        ({"for": 0}, "at most a year"),
        ({"for": "10000d"}, "at most a year"),
        ({"for": {"a": 1}}, ""),
        ({"author": " "}, "author and reason"),
        ({"reason": 7}, "author and reason"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused_with_the_reason(
    run: Run, target: Any, change: dict[str, Any], told: str
) -> None:
    gateway = run(target("ops"))
    answer = gateway.ask("POST", "/api/silences", {"match": {"source": "db"}, "author": "A", "reason": "r"} | change)
    assert answer.status == 422
    assert told in answer.json["error"]
    assert gateway.ask("GET", "/api/silences").json == {"silences": []}


def test_a_silence_keeps_alerts_quiet_until_it_is_ended(run: Run, target: Any) -> None:
    ops = target("ops")
    gateway = run(ops, routes=[Route(targets=["ops"], name="all")])
    gateway.post("Disk full", source="db1")
    gateway.post("Queue grows", source="queue")
    match = {"match": {"source": "re:db.*"}}
    assert gateway.ask("POST", "/api/silences/preview", match).json == {"fits": 1, "of": 2, "titles": ["Disk full"]}
    made = gateway.ask("POST", "/api/silences", match | {"author": "Ana", "reason": "upgrade"})
    assert made.status == 201
    gateway.post("Disk slow", source="db1")
    gateway.settle()
    assert ops.taken == ["Disk full", "Queue grows"]
    (drop,) = gateway.ask("GET", "/api/dropped").json["dropped"]
    assert (drop["title"], drop["reason"], drop["by"]) == ("Disk slow", "silenced", "silence 1")
    firing = gateway.ask("GET", "/api/firing").json["firing"]
    assert [(one["title"], one["silenced"]) for one in firing][:1] == [("Disk slow", True)]
    path = f"/api/silences/{made.json['id']}"
    assert [gateway.ask("DELETE", path).status for _ in range(2)] == [204, 404]
    assert gateway.ask("DELETE", "/api/silences/0").status == 400
    assert gateway.ask("GET", "/api/silences").json["silences"][0]["state"] == "ended"
