"""The import names: what is there, what it loads, and what else has the same files."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import metadata
from pathlib import Path

import pytest

import feature_flag_infra

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "migration.md"
NAMES = {
    "": "Alert AlertConfigurationError AlertDeliveryError AlertDispatcher AlertInfraError AlertTransport "
    "AlertValidationError DeliveryResult NoOpTransport REDACTED SENSITIVE_KEYWORDS VALID_SEVERITIES redact_metadata",
    ".alert": "Alert VALID_SEVERITIES",
    ".security": "is_sensitive_key redact_value redact_metadata REDACTED SENSITIVE_KEYWORDS",
    ".transports": "is_retryable_exception AlertDispatcher AlertTransport DeliveryResult NoOpTransport",
    ".exceptions": "AlertConfigError AlertTransportError RetryableAlertTransportError NonRetryableAlertTransportError",
    ".email": "ResendEmailTransport SendGridEmailTransport SMTPEmailTransport format_alert_subject format_alert_body",
    ".email.transports": "ResendEmailTransport EmailSender",
    ".email.interfaces": "EmailProvider",
    ".email.providers": "ResendProvider SendGridProvider SMTPProvider",
    ".email.services": "EmailService get_email_service",
    ".email.tasks": "send_notify_email_task",
    ".apps": "SlackWebhookTransport TelegramBotTransport",
    ".apps.http": "HttpClient UrllibHttpClient validate_https_url",
    ".apps.slack": "SlackWebhookTransport",
    ".apps.telegram": "TelegramBotTransport",
    ".celery": "CeleryAlertDispatcher AsyncAlertDispatcher AsyncAlertConfig normalize_async_config",
    ".django": "send_alert build_dispatcher build_async_dispatcher get_alert_infra_settings request_metadata "
    "DjangoEmailTransport",
    ".django.config": "build_dispatcher CeleryAlertDispatcher get_alert_infra_settings",
    ".django.context": "request_metadata SENSITIVE_HEADERS",
    ".django.email": "DjangoEmailTransport",
    ".django.tasks": "dispatch_alert_task build_dispatcher",
}
WHILE_IMPORTED = """
import alert_infra, importlib
class Names(list):
    def __getitem__(self, place):
        importlib.import_module("feature_flag_infra.apps.http")
        return super().__getitem__(place)
alert_infra.__all__ = Names(alert_infra.__all__)
import feature_flag_infra
print(feature_flag_infra.apps.http is alert_infra.apps.http)
"""
FOUND = """
import sys, feature_flag_infra
finder = next(one for one in sys.meta_path if type(one).__module__ == "feature_flag_infra")
before = set(sys.modules)
found = [finder.find_spec(f"feature_flag_infra.{name}") for name in ("django.tasks", "email", "nothing", "email.no")]
print([spec and bool(spec.submodule_search_locations is not None) for spec in found], set(sys.modules) - before)
"""
LIGHT = "import sys, alert_infra, alert_infra.apps, alert_infra.email, alert_infra.celery, alert_infra.django"
HEAVY = ("httpx", "celery", "django", "alert_smtp")


@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_its_names_by_both_its_names(module: str) -> None:
    new, old = (importlib.import_module(f"{package}{module}") for package in ("alert_infra", "feature_flag_infra"))
    for name in NAMES[module].split():
        assert getattr(new, name) is getattr(old, name)
    assert new is old or not module


def test_the_older_package_has_nothing_of_its_own() -> None:
    assert set(feature_flag_infra.__all__) >= set(NAMES[""].split())
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("feature_flag_infra.nothing")


def test_a_module_of_the_older_package_is_found_while_the_package_is_still_imported() -> None:
    """As by another thread."""
    command = [sys.executable, "-c", WHILE_IMPORTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_a_module_of_the_older_package_is_found_without_an_import() -> None:
    """Python holds its one import lock meanwhile: whatever another thread imports would wait for ever."""
    done = subprocess.run([sys.executable, "-c", FOUND], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[False, True, None, None] set()", done.stderr


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    check = f"{LIGHT}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_distribution_beside_its_predecessor_says_what_to_do(tmp_path: Path) -> None:
    installed = tmp_path / "alert_infra-0.1.5.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: alert-infra\nVersion: 0.1.5\n")
    check = f"import sys; sys.path.append({str(tmp_path)!r}); import alert_infra"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip uninstall -y alert-infra alert-infra-compat" in done.stderr.splitlines()[-1]


def test_the_extras_are_those_of_alert_infra() -> None:
    assert set(metadata("alert-infra-compat").get_all("Provides-Extra") or ()) == {
        "celery", "dev", "django", "legacy-email", "redis",
    }  # fmt: skip


def test_the_page_lists_every_difference_and_a_test_shows_each(differences: Mapping[str, str]) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == differences
    shown = set(
        re.findall(
            r'"differs": "([a-z-]+)"|differs="([a-z-]+)"',
            "".join(path.read_text() for path in HERE.glob("test_compat_differs_*.py")),
        )
    )
    assert {one or other for one, other in shown} == set(differences)
