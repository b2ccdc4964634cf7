"""Log records as alerts, through LOGGING of the settings."""

import logging
from collections.abc import Callable, Iterator

import pytest

from alert_core import Alert
from alert_django import alert_on_error
from alert_django.logging import AlertHandler

Sent = Callable[[], list[Alert]]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger, handler = logging.getLogger("shop"), AlertHandler()
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_a_record_is_an_alert_of_the_settings_targets(sent: Sent, logger: logging.Logger) -> None:
    logger.warning("slow")
    logger.error("no answer from %s", "the bank")
    assert [(alert.title, alert.source) for alert in sent()] == [("no answer from the bank", "shop")]


def test_without_a_configuration_a_log_call_raises_nothing(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.error("no answer")
    assert "a record of shop is no alert: ConfigError" in caplog.text


def test_an_exception_is_told_and_goes_on(sent: Sent) -> None:
    @alert_on_error("The import failed", tags=["suppliers"])
    def work() -> None:
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        work()
    (alert,) = sent()
    assert alert.title == "The import failed"
    assert alert.tags == ("suppliers",)
    assert "ValueError: no such file" in alert.message
