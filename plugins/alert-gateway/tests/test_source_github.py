import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from alert_core import Alert, Secret, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.sources import github

RUN: dict[str, Any] = {
    "id": 30433642,
    "name": "CI",
    "head_branch": "main",
    "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d",
    "path": ".github/workflows/ci.yml",
    "display_title": "Let carts expire",
    "run_number": 562,
    "run_attempt": 1,
    "event": "push",
    "status": "completed",
    "conclusion": "failure",
    "workflow_id": 159038,
    "html_url": "https://github.com/shop/web/actions/runs/30433642",
    "updated_at": "2026-03-04T05:06:07Z",
    "actor": {"login": "ana-silva"},
    "head_commit": {"message": "Let carts expire\n\nAfter a day.", "author": {"name": "Ana Silva"}},
    "head_repository": {"full_name": "shop/web"},
}
SECRET = "github-webhook-secret"


def told(**run: Any) -> dict[str, Any]:
    return {"action": "completed", "workflow_run": RUN | run, "repository": {"full_name": "shop/web"}}


def parse(body: Any, event: str | None = "workflow_run") -> Parsed:
    return github.parse(json.dumps(body).encode(), {"x-github-event": event} if event else {}, {}, SourceTable())


def read(body: Any) -> Alert:
    (alert,) = parse(body)
    return alert


def signature(content: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": f"sha256={hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()}"}


def test_a_run_that_failed_is_read_as_github_shows_it() -> None:
    alert = read(told())
    assert (alert.title, alert.message) == ("CI failure on main", "Let carts expire (Ana Silva)")
    assert (alert.severity, alert.status, alert.source) == (Severity.ERROR, Status.FIRING, "shop/web")
    assert alert.dedup_key == "github:shop/web 159038 main"
    assert alert.url == "https://github.com/shop/web/actions/runs/30433642"
    assert alert.created_at.isoformat() == "2026-03-04T05:06:07+00:00"
    assert alert.metadata == {
        "triggered_by": "push",
        "actor": "ana-silva",
        "commit": "acb5820ced9479c074f688cc328bf03f341a511d",
        "run": "562",
        "via": "github",
    }


@pytest.mark.parametrize(
    ("conclusion", "title", "status"),
    [
        ("failure", "CI failure on main", Status.FIRING),
        ("timed_out", "CI timed out on main", Status.FIRING),
        ("startup_failure", "CI startup failure on main", Status.FIRING),
        ("success", "CI success on main", Status.RESOLVED),
    ],
)
def test_the_next_run_that_succeeds_resolves_a_failure(conclusion: str, title: str, status: Status) -> None:
    alert = read(told(id=30433643, conclusion=conclusion, run_number=563))
    assert (alert.title, alert.status, alert.dedup_key) == (title, status, read(told()).dedup_key)
    assert alert.severity is Severity.ERROR


@pytest.mark.parametrize(
    "other", [{"workflow_id": 159039}, {"head_branch": "release"}, {"head_repository": {"full_name": "stranger/web"}}]
)
def test_another_workflow_branch_or_fork_is_another_event(other: dict[str, Any]) -> None:
    assert read(told(**other)).dedup_key != read(told()).dedup_key


def test_a_forks_branch_is_named_as_github_does() -> None:
    assert read(told(head_repository={"full_name": "stranger/web"})).title == "CI failure on stranger:main"
    assert read(told(head_repository=None)).title == "CI failure on main"


@pytest.mark.parametrize("conclusion", ["cancelled", "skipped", "neutral", "stale", "action_required", None])
def test_an_end_that_is_neither_good_nor_bad_is_ignored(conclusion: str | None) -> None:
    parsed = parse(told(conclusion=conclusion))
    assert (list(parsed), parsed.ignored) == ([], 1)


@pytest.mark.parametrize("action", ["requested", "in_progress"])
def test_a_run_that_has_not_ended_is_ignored(action: str) -> None:
    assert parse(told(conclusion=None) | {"action": action}).ignored == 1


@pytest.mark.parametrize("event", ["ping", "push", "issues", "check_run"])
def test_every_other_event_is_ignored(event: str) -> None:
    assert parse({"zen": "Keep it logically awesome.", "hook_id": 7}, event).ignored == 1


def test_a_form_is_read_as_json_is() -> None:
    content = urlencode({"payload": json.dumps(told())}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-github-event": "workflow_run"}
    (alert,) = github.parse(content, headers, {}, SourceTable())
    assert alert.title == "CI failure on main"


@pytest.mark.parametrize(
    ("run", "title", "message"),
    [
        ({"conclusion": "failure"}, "workflow failure on no branch", "workflow failure on no branch"),
        ({"conclusion": "failure", "path": "ci.yml", "head_commit": None}, "ci.yml failure on no branch", None),
        (
            {"conclusion": "failure", "name": "CI", "head_commit": {"message": "Fix\n\nit"}},
            "CI failure on no branch",
            "Fix",
        ),
    ],
)
def test_missing_fields_are_made_up_for(run: dict[str, Any], title: str, message: str | None) -> None:
    alert = read({"action": "completed", "workflow_run": run, "repository": {"full_name": "shop/web"}})
    assert (alert.title, alert.message) == (title, message or title)


def test_without_its_header_a_run_is_known_by_its_field() -> None:
    (alert,) = parse(told(), event=None)
    assert alert.title == "CI failure on main"


@pytest.mark.parametrize("body", [{}, [], [told()], "text", None, {"workflow_run": {}}, {"workflow_run": "text"}])
@pytest.mark.parametrize("event", ["workflow_run", None])
def test_anything_else_is_of_no_known_shape(body: object, event: str | None) -> None:
    with pytest.raises(UnknownShapeError):
        parse(body, event)


def test_a_signature_over_the_bytes_proves_github() -> None:
    content = json.dumps(told()).encode()
    settings = SourceTable(secret=Secret(SECRET))
    assert github.authenticate(content, signature(content), {}, settings)
    assert not github.authenticate(content + b"\n", signature(content), {}, settings)
    assert not github.authenticate(content, signature(content), {}, SourceTable(secret=Secret("another-secret")))
    assert not github.authenticate(content, signature(content), {}, SourceTable())


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-hub-signature-256": ""}, {"x-hub-signature-256": "sha256="}, {"x-hub-signature-256": "sha1=" + "0" * 40}],
)
def test_without_a_signature_nothing_is_proved(headers: dict[str, str]) -> None:
    assert not github.authenticate(b"{}", headers, {}, SourceTable(secret=Secret(SECRET)))


def test_only_what_github_signed_is_taken_and_a_redelivery_once(make: Callable[..., Any]) -> None:
    asked = make({"sources": {"github": {"secret": SECRET}}})
    content = json.dumps(told()).encode()
    event = {"x-github-event": "workflow_run", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    assert asked.post("/alerts/github", content, headers=event)[0] == 403
    for _ in range(2):
        assert asked.post("/alerts/github", content, headers=event | signature(content))[0] == 202
    assert len(asked.alerts) == 1


def test_a_redelivery_has_the_id_of_the_first_delivery() -> None:
    headers = {"x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    assert github.delivery_id(b"{}", headers) == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert github.delivery_id(b"{}", {}) is None
