"""What the core's tests share: a provider on loopback, a certificate authority, plugins that are really installed."""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trustme

from alert_core.http import HttpTransport
from alert_core.redaction import literals
from alert_core.testing.httpserver import HttpStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_literals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the Secrets that a test makes at its end: hypothesis makes some of everyday words."""
    monkeypatch.setattr(literals, "_registered", dict(literals._registered))
    yield
    literals._indexes.cache_clear()


@pytest.fixture
def provider() -> Iterator[HttpStandIn]:
    """A provider's HTTP endpoint on loopback: every request is recorded, every answer and fault scripted."""
    with HttpStandIn() as server:
        yield server


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every HttpTransport that a test makes, at its end."""
    made: list[HttpTransport] = []
    check = HttpTransport.__attrs_post_init__

    def remember(transport: HttpTransport) -> None:
        check(transport)
        made.append(transport)

    monkeypatch.setattr(HttpTransport, "__attrs_post_init__", remember)
    yield
    for transport in made:
        transport.close()


class Authority(NamedTuple):
    """A certificate authority of the tests' own, and a server's context signed by it."""

    server: ssl.SSLContext
    bundle: str


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for localhost and 127.0.0.1."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    bundle = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    return Authority(context, str(bundle))


@pytest.fixture
def secure_provider(authority: Authority) -> Iterator[HttpStandIn]:
    """The same provider over TLS; `authority` vouches for it."""
    with HttpStandIn(tls=authority.server) as server:
        yield server


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a plugin's distribution: `installed("acme", "import os", kind...)`.

    Writes the module `<name>_plugin` and real metadata, with an entry point in the group `alert_core.plugins`.
    """
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, source: str, *, entry_points: str | None = None, version: str = "1.2") -> None:
        (site / f"{name}_plugin.py").write_text(source)
        monkeypatch.delitem(sys.modules, f"{name}_plugin", raising=False)
        folder = site / f"alert_{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: alert-{name}\nVersion: {version}\n")
        lines = entry_points or f"[alert_core.plugins]\n{name} = {name}_plugin\n"
        (folder / "entry_points.txt").write_text(lines)

    return install
