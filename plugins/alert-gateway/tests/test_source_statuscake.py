from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from alert_core import Alert, Secret, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources import statuscake

FORM = {"content-type": "application/x-www-form-urlencoded"}
TOKEN = "9e107d9d372bb6826bd81d3542a419d6"
DOWN = {
    "Token": TOKEN,
    "Status": "Down",
    "StatusCode": "503",
    "URL": "https://shop.example.com/health",
    "IP": "192.0.2.80",
    "Tags": "shop, production",
    "Name": "Shop",
    "CheckRate": "300",
    "ContactGroup": "On call",
}
UP = DOWN | {"Status": "Up", "StatusCode": "200"}


def read(fields: dict[str, str], **settings: Any) -> Alert:
    (alert,) = statuscake.parse(urlencode(fields).encode(), FORM, {}, SourceTable(**settings))
    return alert


def test_a_test_that_fails_is_read_with_all_that_statuscake_says() -> None:
    alert = read(DOWN)
    assert (alert.title, alert.message) == ("Shop is down", "https://shop.example.com/health answered 503 (192.0.2.80)")
    assert (alert.severity, alert.status) == (Severity.WARNING, Status.FIRING)
    assert (alert.source, alert.tags, alert.url) == (
        "statuscake",
        ("shop", "production"),
        "https://shop.example.com/health",
    )
    assert alert.metadata == {"status_code": "503", "ip": "192.0.2.80", "check_rate": "300", "contact_group": "On call"}


@pytest.mark.parametrize("status", ["Up", "UP", "up"])
def test_a_test_that_passes_again_resolves_it(status: str) -> None:
    alert = read(UP | {"Status": status})
    assert (alert.title, alert.status, alert.dedup_key) == ("Shop is up", Status.RESOLVED, read(DOWN).dedup_key)


def test_two_tests_of_one_name_are_two_events() -> None:
    assert read(DOWN).dedup_key != read(DOWN | {"URL": "https://admin.example.com"}).dedup_key


def test_no_answer_at_all_is_told_as_such() -> None:
    alert = read(DOWN | {"StatusCode": "0"})
    assert alert.message == "https://shop.example.com/health did not answer (192.0.2.80)"
    assert "status_code" not in alert.metadata


def test_it_has_no_severity_but_the_configured_one() -> None:
    assert read(DOWN, default_severity=Severity.CRITICAL).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"Status": "Down", "Name": "Backup job"}, "Backup job is down"),
        ({"Status": "Down", "URL": "https://shop.example.com"}, "https://shop.example.com is down"),
    ],
)
def test_a_name_or_an_address_is_enough(fields: dict[str, str], title: str) -> None:
    assert read(fields).title == title


def test_json_is_read_too() -> None:
    (alert,) = statuscake.parse(b'{"Name": "Shop", "Status": "UP", "StatusCode": 200}', {}, {}, SourceTable())
    assert alert.status is Status.RESOLVED


def test_the_token_in_the_form_proves_the_sender_and_is_not_told() -> None:
    raw = urlencode(DOWN).encode()
    assert statuscake.authenticate(raw, FORM, {}, SourceTable(token=Secret(TOKEN)))
    assert statuscake.authenticate(raw, FORM, {}, SourceTable(token=(Secret("another-token"), Secret(TOKEN))))
    assert TOKEN not in str(read(DOWN).to_dict())


def test_the_gateway_takes_what_shows_that_token_alone(make: Callable[..., Any]) -> None:
    asked = make({"sources": {"statuscake": {"token": TOKEN}}})
    assert asked.post("/alerts/statuscake", urlencode(DOWN).encode(), headers=FORM)[0] == 202
    assert asked.post("/alerts/statuscake", urlencode(DOWN | {"Token": "x"}).encode(), headers=FORM)[0] == 401
    assert [alert.title for alert in asked.alerts] == ["Shop is down"]


@pytest.mark.parametrize("token", ["", "9e107d9d", TOKEN.upper(), "ü"])
def test_any_other_token_proves_nothing(token: str) -> None:
    raw = urlencode(DOWN | {"Token": token}).encode()
    assert not statuscake.authenticate(raw, FORM, {}, SourceTable(token=Secret(TOKEN)))
    assert not statuscake.authenticate(raw, FORM, {}, SourceTable())


@pytest.mark.parametrize(
    "fields", [{"hello": "world"}, {"Name": "Shop"}, {"Status": "Down"}, {"Name": "", "Status": "Down"}]
)
def test_anything_else_is_of_no_known_shape(fields: dict[str, str]) -> None:
    with pytest.raises(UnknownShapeError):
        read(fields)


def test_what_is_neither_a_form_nor_json_is_the_senders_fault() -> None:
    with pytest.raises(BodyError):
        statuscake.parse(b"Name=Shop&Status=Down", {"content-type": "text/plain"}, {}, SourceTable())
