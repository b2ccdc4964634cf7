"""What a provider of the template mails is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence


class EmailProvider(ABC):
    """Sends a mail that is ready."""

    name: str

    @abstractmethod
    def send(self, to: Sequence[str], subject: str, html: str, text: str) -> None:
        """Send one mail to all of `to`, or raise."""
