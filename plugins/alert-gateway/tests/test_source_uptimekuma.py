import json
from typing import Any

import pytest

from alert_core import Alert, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.sources import uptimekuma

DOWN: dict[str, Any] = {
    "heartbeat": {
        "monitorID": 10,
        "status": 0,
        "time": "2026-03-04 05:06:07.089",
        "msg": "Request failed with status code 503",
        "important": True,
        "duration": 60,
        "ping": None,
    },
    "monitor": {
        "id": 10,
        "name": "Shop",
        "type": "http",
        "url": "https://shop.example.com",
        "hostname": None,
        "port": None,
        "tags": [{"name": "team", "value": "payments"}, {"name": "production", "value": ""}],
        "basic_auth_pass": "not to be told",
    },
    "msg": "[Shop] [🔴 Down] Request failed with status code 503",
}
UP = DOWN | {
    "heartbeat": DOWN["heartbeat"] | {"status": 1, "msg": "200 - OK", "ping": 87},
    "msg": "[Shop] [✅ Up] 200 - OK",
}
TEST = {"heartbeat": None, "monitor": None, "msg": "On call Testing"}
CERTIFICATE = {
    "heartbeat": None,
    "monitor": None,
    "msg": "[Shop][https://shop.example.com] certificate will expire in 7 days",
}


def form_data(body: Any) -> tuple[bytes, dict[str, str]]:
    """As axios sends Uptime Kuma's *form-data*."""
    part = b'Content-Disposition: form-data; name="data"\r\n\r\n' + json.dumps(body, ensure_ascii=False).encode()
    content = b"--axios-1.7-boundary\r\n" + part + b"\r\n--axios-1.7-boundary--\r\n"
    return content, {"content-type": "multipart/form-data; boundary=axios-1.7-boundary"}


def parse(body: Any) -> Parsed:
    return uptimekuma.parse(json.dumps(body).encode(), {}, {}, SourceTable())


def read(body: Any) -> Alert:
    (alert,) = parse(body)
    return alert


def test_a_monitor_that_is_down_is_read_as_uptime_kuma_tells_it() -> None:
    alert = read(DOWN)
    assert alert.title == "[Shop] [🔴 Down] Request failed with status code 503"
    assert alert.message == alert.title
    assert (alert.severity, alert.status, alert.source) == (Severity.WARNING, Status.FIRING, "uptimekuma")
    assert (alert.dedup_key, alert.url) == ("uptimekuma:10", "https://shop.example.com")
    assert alert.created_at.isoformat() == "2026-03-04T05:06:07.089000+00:00"
    assert alert.tags == ("team:payments", "production")
    assert alert.metadata == {"monitor": "Shop", "type": "http"}


def test_a_monitor_that_is_up_again_resolves_it() -> None:
    alert = read(UP)
    assert (alert.status, alert.dedup_key) == (Status.RESOLVED, read(DOWN).dedup_key)
    assert alert.metadata["ping_ms"] == 87


@pytest.mark.parametrize("status", [2, 3])
def test_pending_and_maintenance_are_ignored(status: int) -> None:
    parsed = parse(DOWN | {"heartbeat": DOWN["heartbeat"] | {"status": status}})
    assert (list(parsed), parsed.ignored) == ([], 1)


@pytest.mark.parametrize("body", [TEST, CERTIFICATE])
def test_a_text_without_a_monitor_is_told(body: dict[str, Any]) -> None:
    alert = read(body)
    assert (alert.title, alert.source, alert.status) == (body["msg"], "uptimekuma", Status.FIRING)


@pytest.mark.parametrize("body", [DOWN, UP, TEST])
def test_form_data_is_read_as_json_is(body: dict[str, Any]) -> None:
    content, headers = form_data(body)
    (alert,) = uptimekuma.parse(content, headers, {}, SourceTable())
    same = read(body)
    assert (alert.title, alert.status, alert.metadata) == (same.title, same.status, same.metadata)


def test_a_ping_of_several_lines_has_a_title_of_one() -> None:
    text = "[Router] [🔴 Down] PING 192.0.2.1\n\n--- 192.0.2.1 ping statistics ---\n10 packets, 100% loss"
    alert = read(
        {
            "heartbeat": {"monitorID": 3, "status": 0},
            "monitor": {"id": 3, "name": "Router", "url": "https://"},
            "msg": text,
        }
    )
    assert (alert.title, alert.message, alert.url) == ("[Router] [🔴 Down] PING 192.0.2.1", text, None)
    assert "url" not in alert.metadata


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({"monitor": {"name": "Shop"}}, "Shop"),
        ({"heartbeat": {"msg": "timeout", "status": 0}}, "timeout"),
        ({"msg": "hello", "monitor": [], "heartbeat": "text"}, "hello"),
    ],
)
def test_missing_fields_are_made_up_for(body: dict[str, Any], title: str) -> None:
    assert read(body).title == title


@pytest.mark.parametrize("body", [{}, [], [DOWN], "text", None, {"msg": " "}, {"heartbeat": None, "monitor": None}])
def test_anything_else_is_of_no_known_shape(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        parse(body)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b"", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nno json\r\n--b--", "multipart/form-data; boundary=b"),
        (b"--b--", "multipart/form-data; boundary=b"),
        (b"--b", "multipart/form-data"),
        (b"x", 'multipart/form-data; boundary="\r\nx: y'),
    ],
)
def test_what_is_no_document_is_the_senders_fault(content: bytes, content_type: str) -> None:
    with pytest.raises((BodyError, UnknownShapeError)):
        uptimekuma.parse(content, {"content-type": content_type}, {}, SourceTable())
