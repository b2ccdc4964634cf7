"""The contract: the plugin is found, loads light, and its options are checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from alert_core.errors import ConfigError
from alert_core.plugins import installed_plugins
from alert_core.testing.contract.base import ContractBase
from alert_core.testing.contract.secrets import holds_canary
from alert_core.testing.replies import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from alert_core.dispatcher import Dispatcher
    from alert_core.transport import Option

_TARGET: Final = "under-test"
_HEAVY: Final = ("asyncio", "email.message", "http.client", "smtplib", "sqlite3", "ssl", "urllib.request")
_WRONG: Final[tuple[Callable[[str], object], ...]] = (
    "{}\n".format,
    "http://example.com/?key={}".format,
    lambda value: [value],
    lambda value: {"value": value},
)
_PROBE: Final = """
import json, sys
import alert_core, alert_core.hookspecs, alert_core.specs, alert_core.transport, importlib_metadata
entries = list(importlib_metadata.entry_points(group="alert_core.plugins", name=sys.argv[1]))
before = set(sys.modules)
for entry in entries:
    module = entry.load()
    list(getattr(module, "alert_register", tuple)())
print(json.dumps(sorted(set(sys.modules) - before)))
"""


class Discovery(ContractBase):
    """From the entry point to a configured instance."""

    def test_the_kind_is_found_through_its_installed_entry_point(self) -> None:
        """As in every application: nothing is registered by hand."""
        spec = installed_plugins().transport_specs.get(self.kind)
        found = self.transport_class
        if spec is None or found.kind != self.kind:
            self.fail(
                f"{found.__name__}.kind is {found.kind!r}; the plugin registers it as {self.kind!r}: use one name"
            )

    def test_loading_the_plugin_imports_nothing_heavy(self) -> None:
        """Every application with the plugin installed loads its module, whether it uses it or not."""
        names = {plugin.name for plugin in installed_plugins().plugins if self.kind in plugin.row()["kinds"]}
        loaded: list[str] = []
        for name in names:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            command = [sys.executable, "-c", _PROBE, name]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
            if done.returncode:
                self.fail(f"the plugin's module cannot be imported by itself:\n{done.stderr}")
            loaded += json.loads(done.stdout)
        own = {plugin.partition(".")[0] for plugin in (self.transport_class.__module__,)}
        light = sys.stdlib_module_names | {"alert_core", "attr", "attrs", "pluggy"} | own
        heavy = [name for name in loaded if name in _HEAVY or name == "alert_core.http"]
        heavy += sorted({name.partition(".")[0] for name in loaded} - light)
        if heavy:
            self.fail(
                f"loading the plugin's module imports {', '.join(heavy)}: keep plugin.py to the hook, and give "
                'TransportSpec an import string ("package.transport:Class")'
            )

    def test_the_options_make_a_target(self) -> None:
        """As alerts.toml would give them."""
        try:
            self._configured(self.options).close()
        except ConfigError as error:
            self.fail(f"the options of the contract class were refused:\n{error}")

    def test_every_missing_option_is_named_by_its_path(self) -> None:
        """All at once."""
        required = [option.name for option in self.transport_class.options() if option.required]
        if not required:
            pytest.skip(f"{self.kind} requires no option")
        kept = {name: value for name, value in self.options.items() if name not in required}
        paths = self._refused(kept)
        missing = [name for name in required if f"targets.{_TARGET}.{name}" not in paths]
        if missing:
            self.fail(f"without {missing[0]!r} the faults were at {paths}: name each option that is missing")

    def test_an_unknown_option_is_refused_by_its_path(self) -> None:
        """A misspelt option is never ignored."""
        path = f"targets.{_TARGET}.no_such_option"
        if path not in (paths := self._refused({**self.options, "no_such_option": "x"})):
            self.fail(f"an unknown option gave faults at {paths}, not at {path}")

    def test_an_option_of_a_wrong_type_is_refused_by_its_path(self) -> None:
        """Each option, given a table that it cannot be."""
        for option in self.transport_class.options():
            if option.name == "retry" or _takes_a_table(option):
                continue
            path = f"targets.{_TARGET}.{option.name}"
            paths = self._refused({**self.options, option.name: {"a": {"b": "c"}}})
            if not any(found.startswith(path) for found in paths):
                self.fail(f"a table for {option.name!r} gave faults at {paths}, not at {path}")

    def test_a_credential_is_in_no_fault_of_the_configuration(self) -> None:
        """Whatever else is wrong, and though the credential itself is."""
        for name, given in self.options.items():
            for position, form in enumerate(_WRONG if holds_canary(str(given)) else ()):
                canary = CANARY[position + 9 :] + CANARY[: position + 9]  # each time one that no masking knows yet
                value = str(given).replace(CANARY, canary)
                try:
                    self._configured({**self.options, name: form(value), "timeout": -1}).close()
                except ConfigError as error:
                    if holds_canary(f"{error} {error.faults!r}", canary):
                        self.fail(f"a fault of the option {name!r} quotes the credential: say what is wrong without it")

    def test_plain_http_is_refused_but_for_loopback(self) -> None:
        """No credential goes over a network in clear text."""
        if not self.speaks_http:
            pytest.skip("only for transports over HTTP")
        name = getattr(self.transport_class, "url_option", "api_url")
        moved = self.endpoint("alerts.example.com", 80, None)
        try:
            self.transport_class(**{**self.options, **moved}).close()
        except ConfigError:
            return
        self.fail(f"the option {name!r} took an http:// URL of another host: give it validator=secure_url")

    def _configured(self, options: Any) -> Dispatcher:
        from alert_core.dispatcher import Dispatcher

        return Dispatcher.from_config({"targets": {_TARGET: {"type": self.kind, **options}}})

    def _refused(self, options: Any) -> list[str]:
        try:
            self._configured(options).close()
        except ConfigError as error:
            return [fault.path for fault in error.faults]
        return []


def _takes_a_table(option: Option) -> bool:
    return "Mapping" in str(option.type) or "dict" in str(option.type)
