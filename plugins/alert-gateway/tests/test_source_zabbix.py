import json
from typing import Any

import pytest

from alert_core import Alert, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources import zabbix

PROBLEM: dict[str, Any] = {
    "event_id": "48213",
    "event_name": "/: Disk space is critically low (used > 90%)",
    "event_value": "1",
    "severity": "3",
    "update_status": "0",
    "ack_status": "No",
    "message": "Space used: 19.2 GB of 20 GB (96 %)\nThe volume's free space is below 10 %.\n",
    "host": "db-1.example.com",
    "host_ip": "192.0.2.7",
    "host_groups": "Databases, Linux servers",
    "tags": [{"tag": "scope", "value": "capacity"}, {"tag": "component", "value": "storage"}, {"value": "no name"}],
    "url": "https://zabbix.example.com/tr_events.php?triggerid=17412&eventid=48213",
}
RECOVERY = PROBLEM | {"event_value": "0", "message": "Resolved after 14m 2s.\n"}
ACKNOWLEDGED = PROBLEM | {"update_status": "1", "ack_status": "Yes", "message": "Ana Silva acknowledged the problem.\n"}
COMMENTED = PROBLEM | {"update_status": "1", "message": "Ana Silva commented the problem.\nLooking.\n"}


def read(body: Any, **settings: Any) -> Alert:
    (alert,) = zabbix.parse(json.dumps(body).encode(), {}, {}, SourceTable(**settings))
    return alert


def test_a_problem_is_read_as_zabbix_shows_it() -> None:
    alert = read(PROBLEM)
    assert alert.title == "/: Disk space is critically low (used > 90%)"
    assert alert.message == "Space used: 19.2 GB of 20 GB (96 %)\nThe volume's free space is below 10 %."
    assert (alert.severity, alert.status) == (Severity.WARNING, Status.FIRING)
    assert (alert.source, alert.dedup_key) == ("db-1.example.com", "zabbix:48213")
    assert alert.url == "https://zabbix.example.com/tr_events.php?triggerid=17412&eventid=48213"
    assert alert.tags == ("scope:capacity", "component:storage")
    assert alert.metadata == {
        "host_groups": "Databases, Linux servers",
        "host_ip": "192.0.2.7",
        "severity_raw": "Average",
        "via": "zabbix",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PROBLEM, Status.FIRING),
        (COMMENTED, Status.FIRING),
        (ACKNOWLEDGED, Status.ACKNOWLEDGED),
        (RECOVERY, Status.RESOLVED),
        (RECOVERY | {"update_status": "1", "ack_status": "Yes"}, Status.RESOLVED),
    ],
)
def test_what_happens_to_a_problem_is_told_of_one_event(body: dict[str, Any], status: Status) -> None:
    alert = read(body)
    assert (alert.status, alert.dedup_key) == (status, read(PROBLEM).dedup_key)


def test_the_button_that_tests_a_media_type_gives_an_alert_that_says_so() -> None:
    alert = read({"event_id": "{EVENT.ID}", "event_name": "{EVENT.NAME}", "event_value": "{EVENT.VALUE}"})
    assert (alert.title, alert.severity, alert.url) == ("Test of Zabbix's media type", Severity.INFO, None)


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("0", Severity.WARNING),
        ("1", Severity.INFO),
        ("2", Severity.WARNING),
        ("3", Severity.WARNING),
        ("4", Severity.ERROR),
        ("5", Severity.CRITICAL),
        pytest.param(5, Severity.CRITICAL, id="number"),
        ("Not classified", Severity.WARNING),
        ("Information", Severity.INFO),
        ("Average", Severity.WARNING),
        ("High", Severity.ERROR),
        ("Disaster", Severity.CRITICAL),
        ("6", Severity.WARNING),
        ("Wake everybody", Severity.WARNING),
        (None, Severity.WARNING),
    ],
)
def test_a_severity_is_zabbixs_number_or_word(said: object, severity: Severity) -> None:
    assert read(PROBLEM | {"severity": said}).severity is severity


def test_a_severity_that_is_no_word_of_ours_is_kept() -> None:
    assert read(PROBLEM | {"severity": "Information"}).metadata["severity_raw"] == "Information"
    assert read(PROBLEM | {"severity": "0"}, default_severity=Severity.INFO).severity is Severity.INFO


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PROBLEM", Status.FIRING),
        ("alerting", Status.FIRING),
        ("RESOLVED", Status.RESOLVED),
        ("OK", Status.RESOLVED),
        ("Resolved in 5m 2s: High load", Status.RESOLVED),
        ("Recovered", Status.RESOLVED),
        ("RECOVERY", Status.RESOLVED),
    ],
)
@pytest.mark.parametrize("field", ["status", "event_status", "state", "trigger_status"])
def test_other_media_types_say_the_status_in_words(field: str, word: str, status: Status) -> None:
    assert read({"eventid": 7, "trigger_name": "High load", field: word}).status is status


def test_a_body_of_another_media_type_is_read_by_its_names() -> None:
    alert = read(
        {
            "alert_uid": "48213",
            "title": "High load",
            "state": "alerting",
            "message": "Load is 24.1",
            "link_to_upstream_details": "https://zabbix.example.com/tr_events.php?triggerid=1&eventid=48213",
        }
    )
    assert (alert.title, alert.message, alert.dedup_key) == ("High load", "Load is 24.1", "zabbix:48213")
    assert alert.url == "https://zabbix.example.com/tr_events.php?triggerid=1&eventid=48213"
    assert alert.source == "zabbix"


def test_what_has_no_value_in_zabbix_is_not_told() -> None:
    alert = read(PROBLEM | {"host_ip": "*UNKNOWN*", "host_groups": "{TRIGGER.HOSTGROUP.NAME}", "tags": []})
    assert alert.metadata.keys() == {"severity_raw", "via"}


@pytest.mark.parametrize("body", [{"event_id": "7"}, {"event_name": "High load"}])
def test_a_name_or_an_id_is_enough(body: dict[str, str]) -> None:
    assert read(body).title in {"High load", "Zabbix event 7"}


@pytest.mark.parametrize("body", [{}, [], [PROBLEM], {"hello": "world"}, "text", 7, None])
def test_anything_else_is_of_no_known_shape(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        read(body)
