"""The dictionaries of alert-infra, `ALERT_INFRA` and `FEATURE_FLAG_INFRA`, as the tables of alerts.toml. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

SETTINGS: Final = ("ALERT_INFRA", "FEATURE_FLAG_INFRA")
DEFAULTS: Final[Mapping[str, Any]] = {
    "ENABLED": True,
    "DEFAULT_SEVERITY": "error",
    "REDACT_SENSITIVE_DATA": True,
    "ASYNC": {
        "ENABLED": False,
        "BACKEND": "celery",
        "TASK_NAME": "alert_infra.dispatch_alert",
        "QUEUE": "alerts",
        "MAX_RETRIES": 3,
        "RETRY_BACKOFF": True,
        "RETRY_BACKOFF_MAX": 300,
        "RETRY_JITTER": True,
        "FAIL_SILENTLY": True,
    },
    "EMAIL": {"ENABLED": False, "BACKEND": "auto", "TIMEOUT": 8.0},
    "SLACK": {"ENABLED": False, "TIMEOUT": 5.0},
    "TELEGRAM": {"ENABLED": False, "TIMEOUT": 5.0},
}
_MAIL: Final = {"from_email": "FROM_EMAIL", "to_emails": "TO_EMAILS", "timeout": "TIMEOUT"}
OPTIONS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "resend": ("EMAIL", {"api_key": "RESEND_API_KEY", "api_url": "RESEND_API_URL", **_MAIL}),
    "sendgrid": ("EMAIL", {"api_key": "SENDGRID_API_KEY", "api_url": "SENDGRID_API_URL", **_MAIL}),
    "smtp": (
        "EMAIL",
        {
            "host": "SMTP_HOST",
            "port": "SMTP_PORT",
            "username": "SMTP_USERNAME",
            "password": "SMTP_PASSWORD",
            "use_tls": "SMTP_USE_TLS",
            **_MAIL,
        },
    ),
    "django": (
        "EMAIL",
        {
            "subject_template": "SUBJECT_TEMPLATE",
            "body_template": "BODY_TEMPLATE",
            "html_template": "HTML_TEMPLATE",
            "template_context": "TEMPLATE_CONTEXT",
            **_MAIL,
        },
    ),
    "slack": ("SLACK", {"webhook_url": "WEBHOOK_URL", "timeout": "TIMEOUT"}),
    "telegram": ("TELEGRAM", {"bot_token": "BOT_TOKEN", "chat_id": "CHAT_ID", "timeout": "TIMEOUT"}),
}
"""Of each kind, the table that configures it, and the key of each option."""
_QUEUE: Final = {
    "queue": "QUEUE",
    "max_retries": "MAX_RETRIES",
    "retry_backoff": "RETRY_BACKOFF",
    "retry_backoff_max": "RETRY_BACKOFF_MAX",
    "retry_jitter": "RETRY_JITTER",
}
_PREFIXES: Final = {"EMAIL": "ALERT_", "SLACK": "ALERT_SLACK_", "TELEGRAM": "ALERT_TELEGRAM_"}
_SETTINGS_ALONE: Final = {"TIMEOUT", "SUBJECT_TEMPLATE", "BODY_TEMPLATE", "HTML_TEMPLATE", "TEMPLATE_CONTEXT"}
_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "0", "no", "off")
_PLACE: Final = re.compile(r'targets\.(?:"email\.(?P<mail>\w+)"|(?P<app>\w+))(?:\.(?P<option>\w+))?(?P<rest>.*)')


def merged(given: Mapping[str, Any]) -> dict[str, Any]:
    """The dictionary over its defaults, table by table."""
    return _merged(DEFAULTS, given)


def tables(old: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The configuration that a merged dictionary stands for. What is wrong in it is told when that is read.

    Args:
        old: as of `merged()`.
        environ: what the dictionary leaves out or has empty is looked up there.

    Returns:
        Targets by the names that alert-infra has for its transports: `email.smtp`, `slack`, …
    """
    found: dict[str, Any] = {"defaults": {"severity": old["DEFAULT_SEVERITY"]}}
    if not old["ENABLED"]:
        return {**found, "routes": [{"name": "disabled", "targets": []}]}
    targets = {}
    if _table(old, "EMAIL").get("ENABLED"):
        kind = _mail_kind(_table(old, "EMAIL"), environ)
        targets[f"email.{kind}"] = _target(kind, _table(old, "EMAIL"), environ)
    for kind in ("slack", "telegram"):
        if _table(old, kind.upper()).get("ENABLED"):
            targets[kind] = _target(kind, _table(old, kind.upper()), environ)
    queue = _table(old, "ASYNC")
    if queue.get("ENABLED"):
        given = ((option, queue.get(key)) for option, key in _QUEUE.items())
        options = {option: _READ.get(option, _as_it_is)(value) for option, value in given if value is not None}
        if queue.get("TASK_NAME", "") != DEFAULTS["ASYNC"]["TASK_NAME"]:
            options["task_name"] = queue["TASK_NAME"]
        found["queue"] = {"type": str(queue.get("BACKEND", "celery")).lower(), **options}
    return {**found, "targets": targets or {"noop": {"type": "noop"}}}


def fails_silently(given: Mapping[str, Any]) -> bool:
    """Whether a broker that is down is no error: then the alert is delivered from memory."""
    queue = _table(merged(given), "ASYNC")
    return not queue.get("ENABLED") or bool(queue.get("FAIL_SILENTLY", True))


def place(setting: str, path: str) -> str:
    """Where in the settings a path of those tables comes from: `ALERT_INFRA["EMAIL"]["SMTP_HOST"]`."""
    keys: tuple[str, ...] = ()
    rest = ""
    if found := _PLACE.fullmatch(path):
        kind, option, rest = found["mail"] or found["app"], found["option"], found["rest"]
        table, options = OPTIONS.get(kind, ("EMAIL", {}))
        keys = (table, "BACKEND") if option == "type" else (table, *filter(None, [options.get(option or "")]))
    elif path.startswith("queue"):
        option = path.removeprefix("queue").lstrip(".")
        keys = ("ASYNC", "BACKEND" if option == "type" else _QUEUE.get(option, option.upper()))
    elif path == "defaults.severity":
        keys = ("DEFAULT_SEVERITY",)
    return setting + "".join(f'["{key}"]' for key in keys if key) + rest


def unknown_keys(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each key that nothing reads: its place, and the nearest that is read."""
    known: dict[str, set[str]] = {name: set(table) for name, table in DEFAULTS.items() if isinstance(table, Mapping)}
    for table, options in OPTIONS.values():
        known[table] |= set(options.values())
    known["EMAIL"] |= {f"{key}_NAME" for key in known["EMAIL"] if key.endswith("_TEMPLATE")}
    for key, value in given.items():
        if key not in DEFAULTS:
            yield f'["{key}"]', _near(key, DEFAULTS)
        elif key in known and isinstance(value, Mapping):
            yield from ((f'["{key}"]["{one}"]', _near(one, known[key])) for one in value if one not in known[key])


def _near(key: object, known: Any) -> str:
    near = difflib.get_close_matches(str(key)[:200], sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}"


def _merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in given.items()
    }
    return {**base, **both}


def _table(old: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = old.get(name)
    return found if isinstance(found, Mapping) else {}


def _mail_kind(table: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    kind = str(table.get("BACKEND") or "auto").lower()
    if kind != "auto":
        return kind
    keys = ((one, f"{one.upper()}_API_KEY") for one in ("resend", "sendgrid"))
    return next((one for one, key in keys if table.get(key) or environ.get(f"ALERT_{key}")), "smtp")


def _target(kind: str, table: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    name, options = OPTIONS.get(kind, ("EMAIL", _MAIL))
    target = {"type": kind}
    for option, key in options.items():
        value = table.get(key)
        if value in (None, "") and key.endswith("_TEMPLATE"):
            value = table.get(f"{key}_NAME")
        if value in (None, "", [], ()) and key not in _SETTINGS_ALONE:
            value = environ.get(_PREFIXES[name] + key)
        if value not in (None, "", [], ()):
            target[option] = _READ.get(option, _as_it_is)(value)
    return target


def _as_it_is(value: Any) -> Any:
    return value


def _addresses(value: Any) -> Any:
    return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() else value


def _backoff(value: Any) -> Any:
    seconds = _whole(value)
    return False if seconds == 0 else seconds


def _seconds(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _switch(value: Any) -> Any:
    if not isinstance(value, str):
        return bool(value)
    word = value.strip().lower()
    return word in _TRUE if word in (*_TRUE, *_FALSE) else value


def _base_url(value: Any) -> Any:
    """alert-infra wants the endpoint's whole URL; the transports take the API's, and add the path themselves."""
    return re.sub(r"/(emails|mail/send)/?\Z", "", value) if isinstance(value, str) else value


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "to_emails": _addresses,
    "port": _whole,
    "timeout": _seconds,
    "use_tls": _switch,
    "api_url": _base_url,
    "chat_id": str,
    "max_retries": _whole,
    "retry_backoff": _backoff,
    "retry_backoff_max": _whole,
    "retry_jitter": _switch,
}
