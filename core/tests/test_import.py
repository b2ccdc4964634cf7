"""Importing the core is quick, and every name that it promises is there."""

import subprocess
import sys

import pytest

import alert_core

PUBLIC = """
    Alert Severity Status
    send asend enqueue configure flush alert_on_error
    Dispatcher Route RetryPolicy DeliveryReport Delivery Ticket Receipt
    Transport option Secret hookimpl
    TransportSpec ProcessorSpec RedactorSpec QueueSpec SourceSpec CommandSpec TableSpec
    Redactor redact REDACTED
    AlertError AlertValidationError ConfigError PluginError QueueError QueueFull
    DeliveryError PermanentDeliveryError RetryableDeliveryError UncertainDeliveryError
""".split()
MODULES = {
    "alert_core.http": "HttpTransport HttpRequest HttpResponse secure_url",
    "alert_core.logging": "AlertHandler alert_on_error",
    "alert_core.text": "truncate one_line escape_html",
    "alert_core.testing": """
        TransportContract ProviderReplies Reply CANARY
        MemoryTransport FlakyTransport VirtualClock capture_alerts isolated_plugins
    """,
}


def third_parties(statement: str) -> set[str]:
    """The top-level packages, none of the standard library, that a new interpreter has loaded after the statement."""
    source = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names - {"alert_core"}


def test_importing_the_core_loads_no_third_party_module_but_attrs() -> None:
    assert third_parties("import alert_core") <= {"attr", "attrs", "pluggy"}


def test_building_an_alert_loads_no_more() -> None:
    alert = "alert_core.Alert('t', 'password=x', metadata={'a': 1}).to_dict()"
    assert third_parties(f"import alert_core; {alert}") <= {"attr", "attrs"}


def test_a_dispatcher_with_a_console_loads_neither_httpx_nor_click() -> None:
    dispatch = "alert_core.Dispatcher.from_config({'targets': {'a': {'type': 'console'}}}).close()"
    assert not third_parties(f"import alert_core; {dispatch}") & {"httpx", "httpcore", "click", "alert_slack.transport"}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_of_the_contract_exists(name: str) -> None:
    assert getattr(alert_core, name) is not None


def test_the_core_promises_these_names_and_no_other() -> None:
    assert sorted(alert_core.__all__) == sorted(PUBLIC)
    assert dir(alert_core) == sorted(alert_core.__all__)


@pytest.mark.parametrize(("module", "names"), MODULES.items(), ids=MODULES)
def test_each_public_name_of_a_module_exists(module: str, names: str) -> None:
    source = f"from {module} import {', '.join(names.split())}"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_name_that_does_not_exist_is_an_attribute_error_naming_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        alert_core.colour  # noqa: B018 - the fault under test


def test_a_lazy_name_is_the_object_of_its_module() -> None:
    from alert_core.transport import Transport

    assert alert_core.Transport is Transport
    assert vars(alert_core)["Transport"] is Transport
