"""StatusCake's uptime tests: the form that a contact group's webhook posts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first
from alert_gateway.events import Parsed, UnknownShapeError, event
from alert_gateway.proof import knows_token

NAME: Final = "statuscake"


def authenticate(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> bool:
    """Whether the form's `Token`, the MD5 of user name and API key, is one of the source's tokens."""
    return knows_token(settings, first(document(body, headers), "Token"))


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """What became of a test.

    Raises:
        UnknownShapeError: it has no status, or neither name nor URL.
    """
    found = document(body, headers)
    state, url = first(found, "Status"), first(found, "URL", "WebsiteURL")
    if not ((name := first(found, "Name", "TestName") or url) and state):
        raise UnknownShapeError
    up = state.lower() == "up"
    code, address = first(found, "StatusCode", "Code"), first(found, "IP")
    answered = f"answered {code}" if code and code != "0" else "did not answer"
    alert = event(
        NAME,
        settings,
        title=f"{name} is {state.lower()}",
        message=" ".join(filter(None, (url or name, answered, f"({address})" if address else ""))),
        status=Status.RESOLVED if up else Status.FIRING,
        key=f"{name} {url}",
        url=url,
        tags=(first(found, "Tags") or "").split(","),
        metadata={
            "status_code": None if code == "0" else code,
            "ip": address,
            "check_rate": first(found, "CheckRate"),
            "contact_group": first(found, "ContactGroup"),
        },
    )
    return Parsed([alert])
