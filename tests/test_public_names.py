"""Plugins build on what the core promises, and on nothing else of it."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import alert_core

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("plugins/*/src/**/*.py"))
PUBLIC = (
    "alert_core",
    "alert_core.default",
    "alert_core.errors",
    "alert_core.http",
    "alert_core.logging",
    "alert_core.mail",
    "alert_core.network",
    "alert_core.presentation",
    "alert_core.queues",
    "alert_core.testing",
    "alert_core.text",
    "alert_core.threads",
    "alert_core.tls",
)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Each name of the core that the file imports, with its module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "alert_core")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "alert_core":
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT / "plugins")) for path in SOURCES])
def test_a_plugin_imports_public_names_of_the_core_alone(path: Path) -> None:
    private = {
        f"{module}.{name}"
        for module, name in imports(path)
        if module not in PUBLIC
        or name.startswith("_")
        or (module == "alert_core" and name and name not in alert_core.__all__ and f"{module}.{name}" not in PUBLIC)
    }
    assert private == set()


@pytest.mark.parametrize("name", alert_core.__all__)
def test_every_name_that_the_core_promises_is_there(name: str) -> None:
    assert getattr(alert_core, name) is not None


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_module_is_there(module: str) -> None:
    assert importlib.import_module(module).__doc__
