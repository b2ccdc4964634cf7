"""A configuration from the environment alone: which transports it chooses, and what it asks for."""

from __future__ import annotations

import traceback
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, ConfigError, Dispatcher, PluginError, Receipt, Secret, Transport, TransportSpec, option
from alert_core.environment import from_environment
from alert_core.plugins import Plugins

CANARY = "canary-7c1f0a93e5"


def _no_blank(_: object, __: object, value: str) -> None:
    if " " in value:
        raise ValueError("must have no blank in it")


class Pager(Transport):
    kind = "pager"
    token: Secret = option(env="PAGER_TOKEN")
    to: tuple[str, ...] = option(env="SMS_TO", shared=True)
    loud: bool = option(env="PAGER_LOUD", default=False)
    room: str = option(env="PAGER_ROOM", default="ops", validator=_no_blank)

    def send(self, alert: Alert) -> Receipt:
        return Receipt(id=alert.id)


class Sms(Transport):
    kind = "sms"
    key: Secret = option(env="SMS_KEY")
    to: tuple[str, ...] = option(env="SMS_TO", shared=True)


class Best(Transport):
    kind = "best"
    key: Secret = option(env="BEST_KEY")
    to: str = option(env="MAIL_TO", shared=True)


class Good(Transport):
    kind = "good"
    key: Secret = option(env="GOOD_KEY")
    to: str = option(env="MAIL_TO", shared=True)


class FileOnly(Transport):
    kind = "file-only"
    key: Secret = option(env="FILE_ONLY_KEY")
    mode: str = option()


class Hooked(Transport):
    kind = "hooked"
    address: str = option(env="ALERT_HOOKED_URL")


PLUGINS = Plugins(
    [
        TransportSpec("pager", Pager),
        TransportSpec("sms", Sms),
        TransportSpec("good", Good, family="mail", preference=10),
        TransportSpec("best", Best, family="mail", preference=20),
        TransportSpec("file-only", FileOnly),
        TransportSpec("lost", "no_such_module_anywhere:Transport"),
    ]
)
WHOLE = {"PAGER_TOKEN": CANARY, "SMS_TO": "+1, +2"}


def chosen(environ: dict[str, str]) -> dict[str, Any]:
    config, faults = from_environment(environ, PLUGINS)
    assert faults == []
    return dict(config.targets)


def faults_of(environ: dict[str, str], plugins: Plugins = PLUGINS) -> list[str]:
    return [str(fault) for fault in from_environment(environ, plugins)[1]]


def test_a_transport_whose_variables_are_set_is_a_target_called_by_its_kind() -> None:
    targets = chosen({**WHOLE, "PAGER_LOUD": "yes"})
    assert list(targets) == ["pager"]
    pager = targets["pager"]
    assert (pager.name, pager.token, pager.to) == ("pager", Secret(CANARY), ("+1", "+2"))
    assert (pager.loud, pager.room) == (True, "ops")


def test_every_transport_that_is_set_is_chosen() -> None:
    assert list(chosen({**WHOLE, "SMS_KEY": CANARY, "GOOD_KEY": CANARY, "MAIL_TO": "a"})) == ["pager", "sms", "good"]


@pytest.mark.parametrize("environ", [{}, {"SMS_TO": "+1"}, {"PAGER_TOKEN": ""}, {"PATH": "/bin"}, {"MAIL_TO": "a"}])
def test_nothing_is_chosen_by_what_is_empty_shared_or_foreign(environ: dict[str, str]) -> None:
    assert chosen(environ) == {}


@pytest.mark.parametrize("order", [["GOOD_KEY", "BEST_KEY"], ["BEST_KEY", "GOOD_KEY"]])
def test_of_a_family_the_highest_preference_is_taken(order: list[str]) -> None:
    assert list(chosen({**dict.fromkeys(order, CANARY), "MAIL_TO": "a"})) == ["best"]


def test_of_a_family_with_equal_preferences_the_first_is_taken() -> None:
    plugins = Plugins([TransportSpec("good", Good, family="mail"), TransportSpec("best", Best, family="mail")])
    config, _ = from_environment({"GOOD_KEY": CANARY, "BEST_KEY": CANARY, "MAIL_TO": "a"}, plugins)
    assert list(config.targets) == ["good"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"PAGER_TOKEN": CANARY}, ["SMS_TO: is not set, but PAGER_TOKEN is; the transport pager needs both"]),
        ({"PAGER_LOUD": "1"}, ["PAGER_TOKEN: is not set, but PAGER_LOUD is", "SMS_TO: is not set, but PAGER_LOUD is"]),
        ({**WHOLE, "PAGER_LOUD": "maybe"}, ["PAGER_LOUD: must be true or false (1, 0, yes, no, on, off)"]),
        ({**WHOLE, "PAGER_ROOM": "a b"}, ["PAGER_ROOM: must have no blank in it"]),
        (
            {"PAGER_TOKEN": CANARY, "PAGER_ROOM": "a b", "PAGER_LOUD": CANARY},
            ["SMS_TO: is not set", "PAGER_LOUD: must be true or false", "PAGER_ROOM: must have no blank in it"],
        ),
        ({"FILE_ONLY_KEY": CANARY}, ["FILE_ONLY_KEY: the transport file-only also needs mode, which only a file"]),
        ({"ALERT_LOST_TOKEN": CANARY}, ["ALERT_LOST_TOKEN: plugin 'lost' is broken: ModuleNotFoundError"]),
    ],
)
def test_a_fault_has_the_name_of_its_variable(environ: dict[str, str], expected: list[str]) -> None:
    found = faults_of(environ)
    assert len(found) == len(expected), found
    for said, start in zip(found, expected, strict=True):
        assert said.startswith(start)


def test_where_nothing_is_chosen_a_variable_of_a_kind_that_is_not_installed_is_a_fault() -> None:
    hint = 'ALERT_TELEGRAM_BOT_TOKEN: no plugin provides "telegram"; try: pip install alert-telegram'
    assert faults_of({"ALERT_TELEGRAM_BOT_TOKEN": CANARY}) == [hint]
    assert faults_of({"ALERT_TELEGRAM_BOT_TOKEN": CANARY, **WHOLE}) == []
    assert faults_of({"TWILIO_AUTH_TOKEN": CANARY}) == [
        'TWILIO_AUTH_TOKEN: no plugin provides "twilio"; try: pip install alert-sms'
    ]


def test_where_nothing_is_chosen_a_misspelt_variable_is_a_fault_that_names_the_right_one() -> None:
    hooked = Plugins([TransportSpec("hooked", Hooked)])
    hint = "ALERT_HOOKED_URI: no transport reads this variable; did you mean ALERT_HOOKED_URL?"
    assert faults_of({"ALERT_HOOKED_URI": CANARY, "ALERT_OF_OTHERS": "1"}, hooked) == [hint]
    assert faults_of({"ALERT_HOOKED_URI": CANARY, "ALERT_HOOKED_URL": "x"}, hooked) == []


def test_a_broken_plugin_is_a_fault_only_where_its_variables_are_set() -> None:
    class Bad(ModuleType):
        def __dir__(self) -> list[str]:
            raise RuntimeError("no such library")

    plugins = Plugins([Bad("telegram"), TransportSpec("pager", Pager)])
    assert plugins.plugins[0].state == "broken"
    assert faults_of(WHOLE, plugins) == []
    (fault,) = faults_of({**WHOLE, "ALERT_TELEGRAM_BOT_TOKEN": CANARY}, plugins)
    assert fault.startswith("ALERT_TELEGRAM_BOT_TOKEN: ")
    assert "is broken" in fault
    with pytest.raises(PluginError):
        Dispatcher.from_env({**WHOLE, "ALERT_TELEGRAM_BOT_TOKEN": CANARY}, plugins)


def test_no_secret_is_in_the_error_nor_in_a_frame_of_its_traceback() -> None:
    with pytest.raises(ConfigError) as caught:
        Dispatcher.from_env({"PAGER_TOKEN": CANARY, "PAGER_ROOM": "a b", "PAGER_LOUD": CANARY}, PLUGINS)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename != __file__])
    shown = "".join(told.format())
    assert "from_env" in shown
    assert CANARY not in shown + repr(caught.value)


NAMES = st.sampled_from(
    ["PAGER_TOKEN", "SMS_TO", "PAGER_LOUD", "PAGER_ROOM", "SMS_KEY", "GOOD_KEY", "BEST_KEY", "MAIL_TO"]
)


@given(st.dictionaries(NAMES | st.text(max_size=8), st.text(max_size=8), max_size=8))
def test_any_environment_is_read_or_refused_and_every_fault_has_a_path(environ: dict[str, str]) -> None:
    config, faults = from_environment(environ, PLUGINS)
    assert all(
        fault.path in environ or fault.path in {"PAGER_TOKEN", "SMS_TO", "SMS_KEY", "MAIL_TO"} for fault in faults
    )
    assert len(config.targets) <= 3
