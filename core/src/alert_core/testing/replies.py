"""What a provider's stand-in is told to answer, and what it has received."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import attrs

from alert_core.report import Outcome

CANARY: Final = "CanaryMustNeverLeak0123456789abc"
"""The credential in a contract's options: 32 letters and digits, and nothing else in the world holds it."""


class Fault(Enum):
    """How an exchange goes wrong, besides its answer."""

    HANG_BEFORE = "accept the connection, read nothing, answer nothing"
    HANG = "read the request, answer nothing"
    RESET_BEFORE = "reset the connection before reading the request"
    RESET = "read the request, then reset the connection"
    DRIP_HEAD = "send the answer's head a byte at a time, without end"
    DRIP_BODY = "send the answer's body a byte at a time, without end"
    TRUNCATE = "close the connection in the middle of the answer"
    GARBAGE = "answer with bytes that are not of the protocol"
    ENDLESS = "send a body of many megabytes, as fast as it is read, and never end it"


@attrs.frozen(kw_only=True)
class Reply:
    """One answer of a provider.

    Attributes:
        status: the HTTP status, or SMTP's three digits.
        json: the body, as JSON; or
        text: the body, as text; or
        content: the body, as bytes.
        headers: of the answer.
        fault: what goes wrong with it.
        outcome: what it means for the delivery, where delivery.md says otherwise of such a status.
        requests: how many requests one attempt makes when each gets this reply; more than one only for a sure refusal.
    """

    status: int = attrs.field(default=200, kw_only=False)
    json: Any = None
    text: str | None = None
    content: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    fault: Fault | None = None
    outcome: Outcome | None = attrs.field(default=None, converter=attrs.converters.optional(Outcome))
    requests: int = 1

    @property
    def body(self) -> bytes:
        """The body's bytes."""
        if self.json is not None:
            return jsonlib.dumps(self.json).encode()
        return self.content if self.text is None else self.text.encode()

    def having(self, **headers: str) -> Reply:
        """The same reply with these headers too: `retry_after="7"`."""
        added = {name.replace("_", "-").title(): value for name, value in headers.items()}
        return attrs.evolve(self, headers={**self.headers, **added})


@attrs.frozen(kw_only=True)
class ProviderReplies:
    """How a provider answers, for the contract.

    What is left None is that bare HTTP status where the provider speaks HTTP; else its test is skipped.

    Attributes:
        ok: the provider's yes, as it writes it.
        rejected: a no that comes as a 2xx (`{"ok": false}`), where it has such.
        others: more of the provider's own replies, by a name for each, each with its `outcome`.
    """

    ok: Reply
    rejected: Reply | None = None
    redirect: Reply | None = None
    bad_request: Reply | None = None
    unauthorized: Reply | None = None
    forbidden: Reply | None = None
    not_found: Reply | None = None
    request_timeout: Reply | None = None
    too_large: Reply | None = None
    rate_limited: Reply | None = None
    server_error: Reply | None = None
    bad_gateway: Reply | None = None
    unavailable: Reply | None = None
    others: Mapping[str, Reply] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Received:
    """One request, or message, that a stand-in received whole.

    Attributes:
        method: of HTTP; "" elsewhere.
        path: the request's target, with its query.
        headers: by names in lower case.
        body: its bytes.
        connection: the number of the connection that it came on, from 1.
    """

    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    connection: int = 0
