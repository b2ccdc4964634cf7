"""`alertctl new-plugin`: a third-party plugin's project, its contract tests green."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Final

import click

from alert_core.cli.output import say

RESERVED: Final = ("core", "failover", "http", "infra-compat", "sandbox")
"""Names of this project's that are no kinds of FIRST_PARTY or of the core."""

FILES: Final = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "alert-$kind"
version = "0.1.0"
description = "Transport of the kind $kind for alert-core."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["alert-core$pin"]

[project.optional-dependencies]
testing = ["alert-core[testing]$pin"]

[project.entry-points."alert_core.plugins"]
$kind = "$package.plugin"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]
""",
    "README.md": """\
# alert-$kind

The kind `$kind` of transport for alert-core.

```console
$$ pip install alert-core alert-$kind
$$ export ${env}_TOKEN=… ${env}_API_URL=https://…
$$ alertctl send "Disk full"
```

`alertctl plugins $kind` shows every option. The tests: `pip install -e ".[testing]" && python -m pytest`.
""",
    "src/$package/__init__.py": '"""The kind `$kind` of transport for alert-core."""\n',
    "src/$package/py.typed": "",
    "src/$package/plugin.py": """\
\"""What this distribution contributes. Nothing heavy: a transport loads when needed.\"""

from collections.abc import Iterable

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[TransportSpec]:
    transport = "$package.transport:$transport"
    yield TransportSpec("$kind", transport)
""",
    "src/$package/transport.py": """\
from alert_core import Alert, PermanentDeliveryError, Receipt, Secret, option
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, secure_url
from alert_core.text import truncate


class $transport(HttpTransport):
    kind = "$kind"
    token: Secret = option(env="${env}_TOKEN", help="the API token")
    api_url: str = option(env="${env}_API_URL", validator=secure_url)

    def build_request(self, alert: Alert) -> HttpRequest:
        text = f"{alert.severity} {alert.status}: {alert.title}\\n{alert.message}"
        body = {"text": truncate(text, 4000)}
        headers = {"Authorization": f"Bearer {self.token.reveal()}"}
        return HttpRequest.json(self.api_url, body, headers=headers)

    def read_response(self, response: HttpResponse) -> Receipt:
        answer = response.json()
        if not answer["ok"]:
            raise PermanentDeliveryError("the provider refused the alert")
        return Receipt(id=str(answer["id"]))
""",
    "tests/test_contract.py": """\
from typing import ClassVar

from alert_core.testing import CANARY, ProviderReplies, Reply, TransportContract


class TestContract(TransportContract):
    kind = "$kind"
    options: ClassVar = {"token": CANARY, "api_url": "https://api.example.com"}
    replies = ProviderReplies(
        ok=Reply(200, json={"ok": True, "id": "m1"}),
        rejected=Reply(200, json={"ok": False}),
    )
    max_text = 4000
    supports_resolve = True
""",
}


@click.command("new-plugin")
@click.argument("name")
def new_plugin(name: str) -> None:
    """Write the project of a transport of the kind NAME into the folder alert-NAME."""
    _check(name)
    folder = Path(f"alert-{name}")
    try:
        folder.mkdir()
    except FileExistsError:
        raise click.UsageError(f"{folder} exists already; remove it, or choose another name") from None
    major, minor = version("alert-core").split(".")[:2]
    words = {
        "kind": name,
        "package": f"alert_{name.replace('-', '_')}",
        "transport": "".join(map(str.capitalize, name.split("-"))) + "Transport",
        "env": f"ALERT_{name.replace('-', '_').upper()}",
        "pin": f">={major}.{minor},<{major}.{int(minor) + 1}",
    }
    for path, text in FILES.items():
        file = folder / Template(path).substitute(words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(words), encoding="utf-8")
    say(f"wrote {folder}; next:\n")
    say(f'  cd {folder}\n  python -m pip install -e ".[testing]"\n  python -m pytest\n')
    say(f"then make src/{words['package']}/transport.py speak your provider's API")


def _check(name: str) -> None:
    """Refuse what is no name, or is somebody's already."""
    from alert_core import builtin
    from alert_core.plugins import FIRST_PARTY

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise click.UsageError(f"{name!r} is no name: write lower-case letters, digits and single hyphens, as my-pager")
    if name.startswith("alert-"):
        raise click.UsageError(f"leave alert- out: alertctl new-plugin {name.removeprefix('alert-')}")
    kinds = {*FIRST_PARTY, *RESERVED, *(spec.kind for spec in builtin.SPECS)}
    if name in kinds or f"alert-{name}" in FIRST_PARTY.values():
        raise click.UsageError(f"{name} is a name of alert-core's own; choose another")
