"""The three kinds: their options, and what they put on the wire."""

import base64
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import smsutil  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, ConfigError, Dispatcher, Receipt, Secret, Severity, Status
from alert_core.http import HttpRequest, HttpTransport
from alert_core.testing import HttpStandIn, Reply
from alert_sms.castbrick import CastBrickTransport
from alert_sms.plugin import alert_register
from alert_sms.transport import SmsTransport
from alert_sms.twilio import TwilioTransport
from alert_sms.vonage import VonageTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "sms.md"
KINDS: list[type[SmsTransport]] = [CastBrickTransport, TwilioTransport, VonageTransport]
ACCOUNT = "AC" + "0" * 32
SERVICE = "MG" + "0" * 32
LEAD, MATE = "+244923000000", "+244912000001"
TEAM = (LEAD, MATE)
ALERT = Alert("Disk full", "/var is at 98 %", severity="critical", source="db1")
SAID = "🚨 [CRITICAL] db1: Disk full: /var is at 98 %"

words = st.text(max_size=300) | st.text(alphabet="a€&=+%ж\U0001f525\n", max_size=900)
title = words.filter(lambda given: given.strip() != "")
alerts = st.builds(
    Alert,
    title,
    title,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | words,
    tags=st.lists(words, max_size=5),
    id=st.uuids().map(str) | title,
)


def castbrick(**options: Any) -> CastBrickTransport:
    return CastBrickTransport(**{"api_key": Secret("cb_live_1"), "to": TEAM, **options})


def twilio(**options: Any) -> TwilioTransport:
    given = {"account_sid": ACCOUNT, "auth_token": Secret("token-1"), "sender": "+15550001111", "to": TEAM}
    return TwilioTransport(**{**given, **options})


def vonage(**options: Any) -> VonageTransport:
    given = {"api_key": Secret("abcd1234"), "api_secret": Secret("secret-1"), "sender": "Alerts", "to": TEAM}
    return VonageTransport(**{**given, **options})


def fields(request: HttpRequest) -> dict[str, str]:
    """A form's."""
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.content.decode("ascii"), keep_blank_values=True, strict_parsing=True))


def faults(make: Any, **options: Any) -> dict[str, str]:
    """What is wrong with the options, by their names."""
    with pytest.raises(ConfigError) as caught:
        make(**options)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_the_plugin_contributes_the_three_kinds() -> None:
    assert [spec.kind for spec in alert_register()] == ["castbrick", "twilio", "vonage"]


def test_the_plugins_module_loads_nothing_heavy() -> None:
    code = "import sys, alert_sms.plugin as p; list(p.alert_register()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    loaded = set(done.stdout.split())
    assert "alert_sms.plugin" in loaded
    assert not loaded & {"alert_sms.transport", "alert_core.http", "httpx", "cattrs", "click"}


def test_castbrick_gets_one_request_for_all_recipients() -> None:
    request = castbrick(sender_id="Alerts").build_request(ALERT)
    assert (request.method, request.url) == ("POST", "https://api.castbrick.co/v1/sms/send")
    assert request.headers["Authorization"] == "Bearer cb_live_1"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(request.content) == {"recipients": list(TEAM), "content": SAID, "senderId": "Alerts"}


def test_castbrick_is_told_of_schedule_and_fallback_where_they_are_set() -> None:
    moment = "2026-12-31T08:00:00+01:00"
    body = json.loads(castbrick(scheduled_at=moment, fallback=False).build_request(ALERT).content)
    assert (body["scheduledAt"], body["fallback"]) == (moment, False)
    assert "senderId" not in body


def test_twilio_gets_a_form_with_the_account_and_its_token_as_basic_login() -> None:
    request = twilio().build_request(ALERT, MATE)
    assert (request.method, request.url) == (
        "POST",
        f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
    )
    login = base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
    assert login.decode() == f"{ACCOUNT}:token-1"
    assert fields(request) == {"To": MATE, "From": "+15550001111", "Body": SAID}


def test_twilio_takes_a_messaging_service_in_place_of_a_sender() -> None:
    transport = twilio(sender=None, messaging_service_sid=SERVICE, validity_period=900)
    assert fields(transport.build_request(ALERT, LEAD)) == {
        "To": LEAD,
        "MessagingServiceSid": SERVICE,
        "Body": SAID,
        "ValidityPeriod": "900",
    }


def test_vonage_gets_a_form_with_numbers_without_their_plus() -> None:
    request = vonage(sender="+15550001111", ttl=1_800_000).build_request(ALERT, LEAD)
    assert (request.method, request.url) == ("POST", "https://rest.nexmo.com/sms/json")
    assert fields(request) == {
        "api_key": "abcd1234",
        "api_secret": "secret-1",
        "from": "15550001111",
        "to": "244923000000",
        "text": SAID,
        "type": "unicode",
        "ttl": "1800000",
        "client-ref": ALERT.id,
    }


def test_vonages_type_is_text_where_the_text_is_gsm_7() -> None:
    assert fields(vonage(icons=False).build_request(ALERT, LEAD))["type"] == "text"
    assert fields(vonage(icons=False).build_request(Alert("{[€]}", "~"), LEAD))["type"] == "text"
    assert fields(vonage(icons=False).build_request(Alert("`", "ç"), LEAD))["type"] == "unicode"


def test_a_base_url_may_have_a_path_and_a_slash_at_its_end() -> None:
    base = "http://127.0.0.1:8025/stand-in/"
    made = [
        castbrick(api_url=base).build_request(ALERT),
        twilio(api_url=base).build_request(ALERT, LEAD),
        vonage(api_url=base).build_request(ALERT, LEAD),
    ]
    assert [request.url.removeprefix(base) for request in made] == [
        "sms/send",
        f"2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        "sms/json",
    ]


@given(alerts)
def test_any_alert_gives_castbrick_a_valid_request_of_one_segment(alert: Alert) -> None:
    transport = castbrick()
    request = transport.build_request(alert)
    assert request == transport.build_request(alert)
    body = json.loads(request.content.decode("utf-8"))
    assert body.keys() == {"recipients", "content"}
    assert one_line(body["content"], 1)


@given(alerts)
def test_any_alert_gives_twilio_a_valid_request_within_its_limit(alert: Alert) -> None:
    transport = twilio(max_segments=10)
    request = transport.build_request(alert, LEAD)
    assert request == transport.build_request(alert, LEAD)
    sent = fields(request)
    assert sent.keys() == {"To", "From", "Body"}
    assert one_line(sent["Body"], 10)
    assert len(sent["Body"]) <= 1600


@given(alerts)
def test_any_alert_gives_vonage_a_valid_request_of_the_right_type(alert: Alert) -> None:
    transport = vonage()
    request = transport.build_request(alert, LEAD)
    assert request == transport.build_request(alert, LEAD)
    sent = fields(request)
    assert one_line(sent["text"], 2)
    assert sent["type"] == ("text" if smsutil.is_valid_gsm(sent["text"]) else "unicode")
    assert 0 <= len(sent.get("client-ref", "")) <= 40
    assert sent.get("client-ref", "x").strip() != ""


def one_line(said: str, segments: int) -> bool:
    """Whether it is a line that is not empty, within so many segments."""
    return re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]+", said) is not None and len(smsutil.split(said).parts) <= segments


def test_twilio_and_vonage_make_one_delivery_a_recipient_and_castbrick_one_for_all(provider: HttpStandIn) -> None:
    ok = {"messageId": "a0", "status": "Queued", "recipientCount": 2, "sid": "SM1"}
    provider.script(Reply(json={**ok, "messages": [{"status": "0", "message-id": "0A"}]}))
    base = f"http://127.0.0.1:{provider.port}"
    targets = {kind.kind: make(api_url=base) for kind, make in zip(KINDS, [castbrick, twilio, vonage], strict=True)}
    with Dispatcher(targets) as dispatcher:
        report = dispatcher.send(ALERT)
    assert [(found.target, found.recipient, found.receipt and found.receipt.id) for found in report.deliveries] == [
        ("castbrick", None, "a0"),
        ("twilio", LEAD, "SM1"),
        ("twilio", MATE, "SM1"),
        ("vonage", LEAD, "0A"),
        ("vonage", MATE, "0A"),
    ]
    assert len(provider.received) == 5


def test_the_receipt_of_a_delivery_names_its_recipient(provider: HttpStandIn) -> None:
    provider.script(Reply(201, json={"sid": "SM1", "status": "queued", "num_segments": "1"}))
    with closing(twilio(api_url=f"http://127.0.0.1:{provider.port}")) as transport:
        assert transport.send(ALERT, MATE) == Receipt("SM1", MATE, {"status": "queued", "num_segments": "1"})


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ((), "at least one phone number"),
        (LEAD, "must be a list"),
        (("244923000000",), "number 1 is not in E.164, as +244923000000: write + and the country code"),
        (("00244923000000",), "write + and the country code before it, without leading zeros"),
        ((LEAD, "+244 912 000 001"), "number 2 is not in E.164, as +244923000000: leave out spaces"),
        (("+1(555)000-1111",), "leave out spaces, dots, dashes and brackets"),
        (("+0244923000000",), "a country code does not begin with 0"),
        (("+12345",), "it has + and 7 to 15 digits"),
        (("+1234567890123456",), "it has + and 7 to 15 digits"),
        (("+24492300000O",), "it has + and digits, and nothing else"),
        (("+٢٤٤٩٢٣٠٠٠٠٠٠",), "it has + and digits, and nothing else"),
        ((f"{LEAD}\n",), "it has + and digits, and nothing else"),
        (("",), "it has + and digits, and nothing else"),
        ((244923000000,), "it must be a text"),
        ((LEAD, MATE, LEAD), "number 3 repeats number 1"),
    ],
)
def test_a_number_that_is_wrong_is_told_by_its_place_and_not_quoted(numbers: Any, fault: str) -> None:
    told = faults(castbrick, to=numbers)
    assert fault in told["to"]
    assert not any(str(number) in told["to"].replace("+244923000000", "") for number in numbers if number)


@pytest.mark.parametrize("sender", ["Alerts", "A", "My Alerts 1", "+15550001111", "12345", "R&D"])
@pytest.mark.parametrize("make", [twilio, vonage])
def test_a_sender_is_a_number_a_short_code_or_a_name(make: Any, sender: str) -> None:
    assert make(sender=sender).sender == sender


@pytest.mark.parametrize("sender", ["", " Alerts", "Alerts ", "TwelveLetters", "Alértas", "12", "+1 555", "a\nb", "--"])
@pytest.mark.parametrize("make", [twilio, vonage])
def test_any_other_sender_is_refused(make: Any, sender: str) -> None:
    assert "a name of at most 11 ASCII characters" in faults(make, sender=sender)["sender"]


def test_twilios_sender_has_its_plus_where_it_is_a_phone_number() -> None:
    assert "must be in E.164" in faults(twilio, sender="15550001111")["sender"]
    assert vonage(sender="15550001111").sender == "15550001111"


def test_twilio_has_exactly_one_of_sender_and_messaging_service() -> None:
    assert faults(twilio, messaging_service_sid=SERVICE) == {"sender": "set sender or messaging_service_sid, not both"}
    assert faults(twilio, sender=None) == {"sender": "set sender or messaging_service_sid, one of them is required"}


@pytest.mark.parametrize("moment", ["2026-12-31T08:00:00Z", "2026-12-31T08:00:00.5+01:00"])
def test_a_schedule_is_an_aware_time(moment: str) -> None:
    assert castbrick(scheduled_at=moment).scheduled_at == moment


@pytest.mark.parametrize(
    "moment", ["2026-12-31T08:00:00", "2026-12-31", "20261231T080000Z", "2026-13-31T08:00:00Z", "tomorrow", ""]
)
def test_any_other_schedule_is_refused(moment: str) -> None:
    assert "must be a time in ISO 8601 with its offset" in faults(castbrick, scheduled_at=moment)["scheduled_at"]


def test_every_wrong_option_is_told_at_once_and_no_credential_quoted() -> None:
    wrong = {"auth_token": Secret("tokén canary"), "account_sid": "SK/../x", "validity_period": 0, "max_segments": 11}
    told = faults(twilio, **wrong, messaging_service_sid="MG1", api_url="http://api.twilio.com")
    assert told.keys() == {*wrong, "messaging_service_sid", "api_url"}
    assert "canary" not in str(told)
    told = faults(vonage, api_key=Secret("canary\n"), api_secret=Secret(" canary"), ttl=1000, max_segments=0)
    assert told.keys() == {"api_key", "api_secret", "ttl", "max_segments"}
    assert "canary" not in str(told)


@pytest.mark.parametrize("sid", ["", "SK" + "0" * 32, "AC" + "0" * 31, "AC" + "0" * 33, "AC" + "g" * 32, "AC/../x"])
def test_what_is_no_sid_is_told_with_its_form(sid: str) -> None:
    told = faults(twilio, account_sid=sid, messaging_service_sid=sid)
    assert told["account_sid"] == "must be AC and 32 digits of hexadecimal, as the console shows it"
    assert told["messaging_service_sid"] == "must be MG and 32 digits of hexadecimal, as the console shows it"


def test_the_options_are_named_by_their_environment_variables() -> None:
    assert {o.name: o.env for o in CastBrickTransport.options() if o.env} == {
        "api_key": "CASTBRICK_API_KEY",
        "sender_id": "ALERT_SMS_SENDER",
        "api_url": "ALERT_CASTBRICK_API_URL",
        "to": "ALERT_SMS_TO",
    }
    assert {o.name: o.env for o in TwilioTransport.options() if o.env} == {
        "account_sid": "TWILIO_ACCOUNT_SID",
        "auth_token": "TWILIO_AUTH_TOKEN",
        "sender": "ALERT_SMS_SENDER",
        "messaging_service_sid": "TWILIO_MESSAGING_SERVICE_SID",
        "api_url": "ALERT_TWILIO_API_URL",
        "to": "ALERT_SMS_TO",
    }
    assert {o.name: o.env for o in VonageTransport.options() if o.env} == {
        "api_key": "VONAGE_API_KEY",
        "api_secret": "VONAGE_API_SECRET",
        "sender": "ALERT_SMS_SENDER",
        "api_url": "ALERT_VONAGE_API_URL",
        "to": "ALERT_SMS_TO",
    }


SHARED = {"ALERT_SMS_TO": f"{LEAD}, {MATE}", "ALERT_SMS_SENDER": "Alerts"}
KEYS = {
    "castbrick": {"CASTBRICK_API_KEY": "cb_live_1"},
    "twilio": {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "token-1"},
    "vonage": {"VONAGE_API_KEY": "abcd1234", "VONAGE_API_SECRET": "secret-1"},
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_providers_own_variables_choose_it_and_the_shared_ones_serve_it(kind: str) -> None:
    with Dispatcher.from_env({**SHARED, **KEYS[kind]}) as dispatcher:
        (target,) = dispatcher.targets.values()
    assert isinstance(target, SmsTransport)
    assert (target.kind, target.to) == (kind, TEAM)


def test_the_shared_variables_alone_choose_no_provider() -> None:
    with Dispatcher.from_env(SHARED) as dispatcher:
        assert dispatcher.targets == {}


def test_vonages_rate_is_kept_but_not_on_loopback() -> None:
    assert VonageTransport.provider_rate == "30/s"
    assert CastBrickTransport.provider_rate is TwilioTransport.provider_rate is None
    assert vonage(api_url="http://127.0.0.1:1/").is_loopback()
    assert not vonage().is_loopback()


def shown(value: object) -> str:
    """A default, as the page writes it."""
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_lists_every_option_as_the_class_declares_it(kind: type[SmsTransport]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    everywhere = {option.name for option in HttpTransport.options()}
    for option in kind.options():
        if option.name not in everywhere:
            whose = "all" if option.name in ("to", "icons", "transliterate") else f"`{kind.kind}`"
            default = "required" if option.required else shown(option.default)
            cells = [whose, f"`{option.name}`", shown(option.env), default, option.help]
            assert re.sub(" +", " ", f"| {' | '.join(cells)} |") in page
