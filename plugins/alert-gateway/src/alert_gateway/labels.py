"""Alerts with labels and annotations, as Alertmanager and Grafana have them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from alert_core import Alert, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import first, value
from alert_gateway.events import Parsed, event, foremost, left_out, moment

RESOLVED: Final = frozenset({"resolved", "ok", "normal", "inactive"})
_TITLES: Final = ("summary", "title")
_MESSAGES: Final = ("description", "message")
_LINKS: Final = ("runbook_url", "runbook", "dashboard_url", "dashboard")
_SEVERITIES: Final = ("severity", "priority")
_UNTOLD: Final = frozenset({*_TITLES, *_MESSAGES, *_SEVERITIES, "service"})
"""Labels and annotations that an alert has a field for."""
_GRAFANA_STATES: Final = {"DatasourceNoData": "No data", "DatasourceError": "Error"}
"""What Grafana names alerts that are about a rule's data; the rule's name is in the label `rulename`."""


@attrs.frozen
class _Group:
    """What holds for all of its alerts."""

    status: str | None
    organisation: str | None
    url: str | None
    left_out: int

    @classmethod
    def of(cls, found: Any) -> _Group:
        cut = value(found, "truncatedAlerts")
        return cls(
            status=first(found, "status", "state"),
            organisation=first(found, "orgId"),
            url=_web(first(found, "externalURL")),
            left_out=cut if isinstance(cut, int) else 0,
        )


def labelled(source: str, settings: SourceTable, found: Any) -> Parsed | None:
    """The alerts of a group, of a list, or the one that the body is; None: it is none of these."""
    listed = found if isinstance(found, list) else value(found, "alerts")
    if listed is None and isinstance(value(found, "labels"), Mapping):
        listed = [found]
    if not isinstance(listed, list):
        return None
    if not listed:
        return Parsed(ignored=1)
    group = _Group.of(found)
    listed, others = foremost(listed)
    alerts = [_alert(source, settings, one, group) for one in listed if _is_alert(one)]
    if not alerts:
        return None
    more = [left_out(source, settings, others)] if others else []
    return Parsed([*alerts, *more], ignored=len(listed) - len(alerts))


def plain(source: str, settings: SourceTable, found: Any) -> Parsed | None:
    """What a template of the user's own says, where it is a title or a text; None: it says neither."""
    title, message = first(found, "title", "summary"), first(found, "message", "description", "text")
    if not (title or message):
        return None
    return Parsed(
        [
            event(
                source,
                settings,
                title=title,
                message=message,
                severity=first(found, "severity", "level", "priority"),
                status=_status(first(found, "status", "state")),
                key=first(found, "dedup_key", "fingerprint", "groupKey"),
                url=first(found, "url", "link", "externalURL"),
            )
        ]
    )


def _is_alert(found: object) -> bool:
    return any(isinstance(value(found, name), Mapping) for name in ("labels", "annotations"))


def _alert(source: str, settings: SourceTable, found: Mapping[str, Any], group: _Group) -> Alert:
    labels, annotations = _texts(value(found, "labels")), _texts(value(found, "annotations"))
    name, said = first(labels, "alertname"), first(annotations, *_TITLES)
    title = said or name or _listed(labels) or ", ".join(f"{key}={text}" for key, text in labels.items())
    if name in _GRAFANA_STATES:
        title = f"{_GRAFANA_STATES[name]}: {said or first(labels, 'rulename') or name}"
    status = _status(first(found, "status") or group.status)
    links = [_web(first(annotations, key)) for key in _LINKS]
    links += [_web(first(found, key)) for key in ("panelURL", "dashboardURL", "generatorURL")]
    url = next(filter(None, (*links, group.url)), None)
    return event(
        source,
        settings,
        title=title,
        message=_message(labels, annotations, group, is_named=bool(said)),
        severity=first(labels, *_SEVERITIES),
        status=status,
        key=_key(found, labels, group),
        url=url,
        at=(moment(first(found, "endsAt")) if status is Status.RESOLVED else None) or moment(first(found, "startsAt")),
        metadata={name: told for name, told in _metadata(found, labels, annotations).items() if told != url},
        service=first(labels, "service"),
    )


def _status(word: str | None) -> Status:
    return Status.RESOLVED if word and word.lower() in RESOLVED else Status.FIRING


def _message(labels: Mapping[str, str], annotations: Mapping[str, str], group: _Group, *, is_named: bool) -> str | None:
    """What the alert says of itself; where its title is a mere name, at least which of its like it is."""
    message = first(annotations, *_MESSAGES)
    if not message and not is_named:
        message = _listed({name: said for name, said in labels.items() if name != "alertname"})
    if group.left_out > 0:
        left = f"{group.left_out} more alerts of this group were left out: raise the sender's max_alerts."
        message = f"{message or ''}\n\n{left}"
    return message


def _key(found: Mapping[str, Any], labels: Mapping[str, str], group: _Group) -> str:
    """The fingerprint, or what it is made of; Grafana's is one organisation's own."""
    own = first(found, "fingerprint") or hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()
    organisation = first(found, "orgId") or group.organisation
    return f"{organisation}:{own}" if organisation else own


def _metadata(found: Mapping[str, Any], labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, Any]:
    """The labels by their names, so that routes can match them, and the other annotations."""
    told = {**annotations, **labels}
    values = value(found, "values")
    return {
        **{name: said for name, said in told.items() if _is_told(name)},
        "values": values if isinstance(values, Mapping) else None,
        "generator_url": _web(first(found, "generatorURL")),
        "silence_url": _web(first(found, "silenceURL")),
    }


def _texts(found: object) -> dict[str, str]:
    """The entries that say something; Grafana's may be null."""
    if not isinstance(found, Mapping):
        return {}
    return {str(name): text for name, said in found.items() if (text := first([said], "0"))}


def _listed(labels: Mapping[str, str]) -> str:
    """`instance=db1, job=node`: the labels that are told nowhere else."""
    return ", ".join(f"{name}={said}" for name, said in labels.items() if _is_told(name))


def _is_told(name: str) -> bool:
    return name not in _UNTOLD and not name.startswith("__")


def _web(url: str | None) -> str | None:
    """Links only: Grafana without a root URL says `?orgId=1`."""
    return url if url and url.lower().startswith(("http://", "https://")) else None
