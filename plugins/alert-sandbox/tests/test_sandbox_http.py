"""The HTTP side over real sockets: faults, the inbox's API, and who may read it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from alert_sandbox.app import MAIL_POLICY
from alert_sandbox.delivery import BODY_LIMIT, drip
from alert_sandbox.environment import BOT
from alert_sandbox.exchange import Answer
from alert_sandbox.server import HOST, Sandbox
from alert_sandbox.store import HIDDEN

Post = Callable[..., httpx.Response]


def told(sandbox: Sandbox) -> list[tuple[str, bool, int, str]]:
    return [(m.kind, m.accepted, m.answer["status"], m.fault) for m in sandbox.messages()]


@pytest.mark.parametrize(
    "kind", ["slack", "slack-bot", "telegram", "resend", "sendgrid", "pagerduty", "castbrick", "twilio", "vonage"]
)
def test_each_provider_answers_under_its_path_and_its_message_is_in_the_inbox(
    sandbox: Sandbox, post: Post, kind: str
) -> None:
    answer = post(kind)
    assert answer.status_code in (200, 201, 202)
    (message,) = sandbox.messages()
    assert (message.kind, message.accepted, message.answer["status"]) == (kind, True, answer.status_code)
    assert "Disk full" in message.text
    assert "Disk full" in message.request["body"].replace("+", " ")


def test_a_client_that_only_asks_who_it_is_leaves_no_message(sandbox: Sandbox, post: Post) -> None:
    assert post("telegram", path=f"/bot{BOT}/getMe").json()["result"]["is_bot"] is True
    assert post("slack-bot", path="/auth.test").json()["ok"] is True
    assert post("slack-bot", path="/api.test").json()["ok"] is True
    assert sandbox.messages() == []


def test_a_refused_request_is_in_the_inbox_with_the_rule_that_it_broke(http: httpx.Client, post: Post) -> None:
    assert post("slack", json={"text": None}).text == "no_text"
    (message,) = http.get("/api/messages").json()["messages"]
    assert message["accepted"] is False
    (broken,) = message["broken"]
    assert broken["rule"] == "slack-text"
    assert broken["source"].startswith("docs.slack.dev/")


def test_the_credential_is_hidden_in_the_inbox_wherever_it_was_sent(sandbox: Sandbox, post: Post) -> None:
    post("slack", path="/T0/B0/verysecret")
    post("telegram")
    post("resend", bearer="re_verysecret")
    post("pagerduty", json={"routing_key": "verysecret".ljust(32, "k")})
    post("twilio", basic="AC" + "5a" * 16 + ":verysecret")
    post("vonage", form={"api_secret": "verysecret"})
    for message in sandbox.messages():
        shown = json.dumps(message.to_dict())
        assert HIDDEN in shown, message.kind
        assert not any(secret in shown for secret in ("verysecret", BOT, "dmVyeXNlY3JldA")), shown


def test_a_fault_by_header_changes_one_request(sandbox: Sandbox, post: Post) -> None:
    limited = post("slack", more={"X-Sandbox-Fault": "429:7"})
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert post("slack").text == "ok"
    assert told(sandbox) == [("slack", False, 429, "429:7"), ("slack", True, 200, "")]


def test_a_plan_in_the_path_goes_on_from_request_to_request(post: Post) -> None:
    answers = [post("slack", before="/fault/500,429,ok").status_code for _ in range(4)]
    assert answers == [500, 429, 200, 200]


def test_an_unknown_fault_says_which_there_are(post: Post) -> None:
    answer = post("slack", more={"X-Sandbox-Fault": "418"})
    assert answer.status_code == 400
    assert "reset-before" in answer.text


def test_a_plan_set_by_the_api_is_told_and_used_up(http: httpx.Client, post: Post) -> None:
    assert http.put("/api/faults", json={"slack": "503,ok", "smtp": "hang"}).status_code == 204
    assert http.get("/api/faults").json()["plans"] == {"slack": "503,ok", "smtp": "hang"}
    assert [post("slack").status_code for _ in range(2)] == [503, 200]
    assert http.get("/api/faults").json()["plans"] == {"smtp": "hang"}
    http.put("/api/faults", json={"smtp": ""})
    assert http.get("/api/faults").json()["plans"] == {}
    http.put("/api/faults", json={"*": "500"})
    http.delete("/api/faults")
    assert post("slack").status_code == 200


@pytest.mark.parametrize(
    ("body", "part"),
    [(b"{", "JSON object"), (b"[]", "JSON object"), (b'{"slack": "418"}', "no fault"), (b'{"x": "429"}', "no kind")],
)
def test_a_plan_that_cannot_be_read_changes_nothing(http: httpx.Client, body: bytes, part: str) -> None:
    answer = http.put("/api/faults", content=body)
    assert (answer.status_code, part in answer.json()["error"]) == (400, True)
    assert http.get("/api/faults").json()["plans"] == {}


def test_a_reset_before_the_request_is_read_leaves_nothing(sandbox: Sandbox, post: Post) -> None:
    with pytest.raises(httpx.TransportError):
        post("slack", more={"X-Sandbox-Fault": "reset-before"})
    assert told(sandbox) == []


def test_a_reset_after_the_request_leaves_the_message_there_and_its_sender_unsure(sandbox: Sandbox, post: Post) -> None:
    with pytest.raises(httpx.TransportError):
        post("slack", more={"X-Sandbox-Fault": "reset-after"})
    assert told(sandbox) == [("slack", True, 200, "reset-after")]


def test_a_hang_answers_nothing_and_ends_with_the_sandbox() -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        sandbox.fail("slack", "hang")
        url = f"{sandbox.url}/slack/services/T0/B0/x"
        hung = pool.submit(httpx.post, url, json={"text": "Disk full"}, timeout=60, trust_env=False)
        sandbox.wait(1, timeout=60)
        assert told(sandbox) == [("slack", False, 0, "hang")]
        assert not hung.done()
        sandbox.close()
        with pytest.raises(httpx.TransportError):
            hung.result(timeout=30)


def test_a_drip_answers_as_if_nothing_were_wrong(http: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fail("slack", "drip:0.001,ok")
    answer = http.post("/slack/services/T0/B0/x", json={"text": "Disk full"})
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_a_drip_sends_byte_after_byte() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    # Asked of what is handed to the server: a socket may join two bytes on their way.
    asyncio.run(drip(send, Answer(200, b"ok"), 0.001, asyncio.Event()))
    assert [message["body"] for message in sent[1:]] == [b"o", b"k", b""]


def test_a_body_over_the_limit_is_refused_and_only_its_head_is_kept(sandbox: Sandbox, post: Post) -> None:
    answer = post("resend", body=b"x" * (BODY_LIMIT + 1))
    assert answer.status_code == 413
    (message,) = sandbox.messages()
    assert (message.accepted, message.request["body"]) == (False, "")


def test_messages_are_filtered_by_the_query(http: httpx.Client, post: Post) -> None:
    post("slack", json={"text": "CRITICAL: Disk full"})
    post("castbrick", json={"content": "WARNING: Queue grows"})
    post("castbrick", json={"content": ""})

    def ids(query: str) -> list[int]:
        found = [m["id"] for m in http.get(f"/api/messages?{query}").json()["messages"]]
        return [number - first for number in found]

    first = http.get("/api/messages").json()["messages"][0]["id"]
    assert ids("") == [0, 1, 2]
    assert ids("kind=castbrick") == [1, 2]
    assert ids("severity=critical") == [0]
    assert ids("text=queue") == [1]
    assert ids("accepted=false") == [2]
    assert ids(f"after={first}&accepted=true") == [1]


def test_one_message_can_be_had_and_all_can_be_cleared(http: httpx.Client, post: Post) -> None:
    post("slack")
    number = http.get("/api/messages").json()["messages"][0]["id"]
    assert http.get(f"/api/messages/{number}").json()["title"] == "Disk full"
    assert http.delete("/api/messages").status_code == 204
    assert http.get("/api/messages").json() == {"messages": []}
    assert http.get(f"/api/messages/{number}").status_code == 404


def test_waiting_ends_when_the_messages_are_there(http: httpx.Client, post: Post) -> None:
    sender = threading.Thread(target=lambda: [post("slack"), post("castbrick"), post("slack")])
    sender.start()
    answer = http.get("/api/messages/wait?count=2&timeout=30&kind=slack")
    sender.join()
    assert (answer.status_code, len(answer.json()["messages"])) == (200, 2)


def test_waiting_ends_with_504_and_what_there_is_when_the_time_is_up(http: httpx.Client, post: Post) -> None:
    post("slack")
    answer = http.get("/api/messages/wait?count=2&timeout=0.05")
    assert (answer.status_code, len(answer.json()["messages"])) == (504, 1)


@pytest.mark.parametrize("query", ["count=x", "timeout=x", "timeout=-1", "timeout=301", "timeout=nan"])
def test_a_wait_that_makes_no_sense_is_refused(http: httpx.Client, query: str) -> None:
    assert http.get(f"/api/messages/wait?{query}").status_code == 400


def test_the_fixtures_wait_tells_what_came_instead(sandbox: Sandbox, post: Post) -> None:
    post("castbrick")
    assert sandbox.wait(1, kind="castbrick")[0].title == "Disk full"
    with pytest.raises(TimeoutError, match=r"0 of 1 messages came in 0\.01 s[^$]*castbrick 200 Disk full"):
        sandbox.wait(1, kind="slack", timeout=0.01)


def test_the_fixture_fails_by_plan_and_clears_plans_too(sandbox: Sandbox, post: Post) -> None:
    sandbox.fail("slack", "500")
    assert post("slack").status_code == 500
    sandbox.clear()
    assert (post("slack").status_code, len(sandbox.messages())) == (200, 1)
    with pytest.raises(ValueError, match="no kind"):
        sandbox.fail("slak", "500")


def events(
    http: httpx.Client, enough: Callable[[list[tuple[str, Any]]], bool], act: Callable[[], Any]
) -> list[tuple[str, Any]]:
    """What the stream tells from its start, `act()` made once it is open, until it is enough."""
    found: list[tuple[str, Any]] = []
    with http.stream("GET", "/api/events") as stream:
        lines: Iterator[str] = stream.iter_lines()
        kind = "message"
        for line in lines:
            if line.startswith("retry"):
                act()
            elif line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
                kind = "message"
                if enough(found):
                    break
    return found


def test_the_stream_tells_of_messages_faults_and_clearing(http: httpx.Client, post: Post, sandbox: Sandbox) -> None:
    def act() -> None:
        post("slack")
        sandbox.fail("resend", "500")

    found = events(http, lambda seen: ("faults", {"resend": "500"}) in seen, act)
    assert [data["title"] for kind, data in found if kind == "message"] == ["Disk full"]
    assert "clear" in dict(events(http, lambda seen: seen[-1][0] == "clear", sandbox.clear))


def test_an_emails_html_is_served_for_a_frame_where_nothing_runs_and_nothing_is_fetched(
    http: httpx.Client, post: Post
) -> None:
    post("sendgrid")
    number = http.get("/api/messages").json()["messages"][0]["id"]
    answer = http.get(f"/api/messages/{number}/html")
    assert answer.text == "<base target=_blank><b>98 %</b>"
    assert answer.headers["content-security-policy"] == MAIL_POLICY
    assert MAIL_POLICY.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert answer.headers["x-dns-prefetch-control"] == "off"
    post("slack")
    assert http.get(f"/api/messages/{number + 1}/html").status_code == 404


def test_the_page_may_load_and_ask_nothing_but_the_sandbox(http: httpx.Client) -> None:
    answer = http.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get("/style.css").headers["content-type"].startswith("text/css")
    for missing in ("/nothing", "/nothing.js", "/..%2fserver.py", "/index.html"):
        assert http.get(missing).status_code == 404, missing


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8225", ""])
def test_another_name_for_the_host_is_refused_so_that_no_other_site_reads_the_inbox(
    http: httpx.Client, post: Post, host: str
) -> None:
    post("slack")
    assert http.get("/api/messages", headers={"host": host}).status_code == 400
    assert http.get("/", headers={"host": host}).status_code == 400


def test_no_answer_of_the_api_lets_another_site_read_it(http: httpx.Client) -> None:
    answer = http.get("/api/messages", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert http.post("/api/faults", json={"*": "500"}).status_code == 405


def test_it_listens_on_loopback_alone(sandbox: Sandbox) -> None:
    assert HOST == "127.0.0.1"
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert sandbox.addresses.host == "127.0.0.1"


def test_the_api_tells_the_rules_the_environment_and_the_mail_servers_authority(
    http: httpx.Client, sandbox: Sandbox
) -> None:
    rules = http.get("/api/rules").json()["rules"]
    assert {"rule": "slack-text", "kind": "slack"}.items() <= next(
        r for r in rules if r["rule"] == "slack-text"
    ).items()
    assert http.get("/api/environment").json() == sandbox.environment()
    assert http.get("/api/ca.pem").content == sandbox.ca_bundle.read_bytes()


def test_two_sandboxes_share_nothing_and_closing_twice_is_closing_once() -> None:
    with Sandbox() as one, Sandbox() as other:
        httpx.post(f"{one.url}/slack/services/T0/B0/x", json={"text": "x"}, trust_env=False)
        assert (len(one.messages()), len(other.messages())) == (1, 0)
        one.close()
    assert not other.ca_bundle.exists()


def test_a_port_that_is_taken_is_an_oserror_and_leaves_no_socket_open(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        Sandbox(smtps_port=sandbox.addresses.smtp_port)
