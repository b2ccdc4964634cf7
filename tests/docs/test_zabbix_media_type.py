"""The media type that docs/sources.md offers for Zabbix, run as Zabbix runs it: by Duktape."""

import json
from pathlib import Path
from typing import Any

import dukpy  # type: ignore[import-untyped]  # has no types
import pytest
import yaml

from alert_core import Alert, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.sources import zabbix

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
TEMPLATE = PAGE.parent / "sources" / "zabbix-media-type.yaml"
MEDIA_TYPE = yaml.safe_load(TEMPLATE.read_text())["zabbix_export"]["media_types"][0]
MACROS = {parameter["name"]: parameter["value"] for parameter in MEDIA_TYPE["parameters"]}

PROBLEM = {
    "gateway_url": "https://alerts.example.com/alerts/zabbix",
    "token": "zabbix-token",
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
    "tags": '[{"tag": "scope", "value": "capacity"}, {"tag": "component", "value": "storage"}]',
    "url": "https://zabbix.example.com/tr_events.php?triggerid=17412&eventid=48213",
}
RECOVERY = PROBLEM | {"event_value": "0", "message": "Resolved after 14m 2s.\n"}
ACKNOWLEDGED = PROBLEM | {"update_status": "1", "ack_status": "Yes", "message": "Ana Silva acknowledged the problem.\n"}

# What Zabbix gives a media type's script, as far as ours uses it.
HOST = """
var sent = {headers: {}, proxy: null};
var Zabbix = {log: function () {}};
function HttpRequest() {}
HttpRequest.prototype.addHeader = function (line) {
    sent.headers[line.split(': ')[0]] = line.split(': ')[1];
};
HttpRequest.prototype.setProxy = function (proxy) { sent.proxy = proxy; };
HttpRequest.prototype.post = function (url, data) { sent.url = url; sent.data = data; return '{"ok": true}'; };
HttpRequest.prototype.getStatus = function () { return dukpy.status; };
"""


def posted(parameters: dict[str, str], status: int = 202) -> dict[str, Any]:
    """What the template's script posts, run by Duktape, which is Zabbix's engine too."""
    script = (
        f"{HOST}\nvar returned = (function (value) {{\n{MEDIA_TYPE['script']}\n}})(dukpy.value);\n[sent, returned];"
    )
    sent, returned = dukpy.evaljs(script, value=json.dumps(parameters), status=status)
    assert returned == "OK"
    return dict(sent)


def read(parameters: dict[str, str]) -> Alert:
    (alert,) = zabbix.parse(posted(parameters)["data"].encode(), {}, {}, SourceTable())
    return alert


def test_the_template_sends_each_of_its_parameters_with_its_token_to_the_gateway() -> None:
    assert MACROS.keys() == PROBLEM.keys()
    sent = posted(PROBLEM)
    assert sent["url"] == "https://alerts.example.com/alerts/zabbix"
    assert sent["headers"] == {"Content-Type": "application/json", "Authorization": "Bearer zabbix-token"}
    body = json.loads(sent["data"])
    assert body.keys() == PROBLEM.keys() - {"gateway_url", "token"}
    assert body["tags"][0] == {"tag": "scope", "value": "capacity"}


def test_a_problem_is_read_as_zabbix_shows_it() -> None:
    alert = read(PROBLEM)
    assert alert.title == "/: Disk space is critically low (used > 90%)"
    assert alert.message == "Space used: 19.2 GB of 20 GB (96 %)\nThe volume's free space is below 10 %."
    assert (alert.severity, alert.status) == (Severity.WARNING, Status.FIRING)
    assert (alert.source, alert.dedup_key) == ("db-1.example.com", "zabbix:48213")
    assert alert.url == "https://zabbix.example.com/tr_events.php?triggerid=17412&eventid=48213"
    assert alert.tags == ("scope:capacity", "component:storage")


def test_its_acknowledgement_and_its_recovery_are_of_the_same_event() -> None:
    assert [read(each).status for each in (ACKNOWLEDGED, RECOVERY)] == [Status.ACKNOWLEDGED, Status.RESOLVED]
    assert {read(each).dedup_key for each in (PROBLEM, ACKNOWLEDGED, RECOVERY)} == {"zabbix:48213"}


def test_the_button_that_tests_the_media_type_gives_an_alert_that_says_so() -> None:
    alert = read(MACROS)
    assert (alert.title, alert.severity, alert.url) == ("Test of Zabbix's media type", Severity.INFO, None)


def test_without_the_macro_of_zabbixs_address_there_is_no_link() -> None:
    alert = read(PROBLEM | {"url": "{$ZABBIX.URL}/tr_events.php?triggerid=17412&eventid=48213"})
    assert alert.url is None
    assert "url" not in alert.metadata


@pytest.mark.parametrize("status", [401, 503])
def test_an_answer_that_is_no_yes_is_an_error_in_zabbix_which_then_tries_again(status: int) -> None:
    with pytest.raises(dukpy.JSRuntimeError, match=f"alert-gateway answered {status}"):
        posted(PROBLEM, status)
    assert int(MEDIA_TYPE["attempts"]) > 1


def test_a_proxy_is_used_and_not_told() -> None:
    sent = posted(PROBLEM | {"HTTPProxy": "http://proxy.example.com:3128"})
    assert sent["proxy"] == "http://proxy.example.com:3128"
    assert "proxy.example" not in sent["data"]


def test_every_operation_of_a_trigger_has_a_message_with_the_events_name() -> None:
    told = {each["operation_mode"]: each["subject"] for each in MEDIA_TYPE["message_templates"]}
    assert told == dict.fromkeys(("PROBLEM", "RECOVERY", "UPDATE"), "{EVENT.NAME}")


def test_the_page_offers_it() -> None:
    assert f"<sources/{TEMPLATE.name}>" in PAGE.read_text()
