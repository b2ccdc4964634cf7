"""What the tests of this distribution share: Telegram on loopback, and a bot that posts there."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from alert_core import Secret
from alert_core.testing import HttpStandIn
from alert_telegram.transport import TelegramTransport

TOKEN = "123456:botCanary7Qz-ABC_def"


@pytest.fixture
def telegram() -> Iterator[HttpStandIn]:
    """Telegram's stand-in; `script()` says what it answers."""
    with HttpStandIn() as server:
        yield server


@pytest.fixture
def bot(telegram: HttpStandIn) -> Iterator[TelegramTransport]:
    """A bot that posts to the stand-in, in the group -100500."""
    url = f"http://127.0.0.1:{telegram.port}/"
    with closing(TelegramTransport(bot_token=Secret(TOKEN), chat_id=-100500, api_url=url)) as transport:
        yield transport
