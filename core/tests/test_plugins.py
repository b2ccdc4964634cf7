"""Which plugins there are: each loaded alone, so that a broken one breaks nothing else."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from alert_core import (
    Alert,
    CommandSpec,
    PluginError,
    ProcessorSpec,
    QueueSpec,
    RedactorSpec,
    SourceSpec,
    TableSpec,
    Transport,
    TransportSpec,
    hookimpl,
)
from alert_core.builtin import MemoryTransport, NoopTransport
from alert_core.plugins import FIRST_PARTY, Observers, Plugin, Plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    Install = Callable[..., None]

PAGER = """
from alert_core import Transport, TransportSpec, hookimpl

class PagerTransport(Transport):
    kind = "pager"

@hookimpl
def alert_register():
    return [TransportSpec("pager", PagerTransport, "Beep a pager")]
"""
BROKEN = {
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax": ("def (", "SyntaxError"),
    "raises": ("raise RuntimeError('password=hunter2xyz')", "RuntimeError"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "signature": ("from alert_core import hookimpl\n@hookimpl\ndef alert_dropped(alert, colour): ...", "colour"),
    "wrapper": (
        "from alert_core import hookimpl\n@hookimpl(wrapper=True)\ndef alert_dropped(alert): yield",
        "hook wrapper",
    ),
    "old wrapper": (
        "from alert_core import hookimpl\n@hookimpl(hookwrapper=True)\ndef alert_dropped(alert): yield",
        "hook wrapper",
    ),
    "register raises": (
        "from alert_core import hookimpl\n@hookimpl\ndef alert_register(): raise RuntimeError('no')",
        "RuntimeError: no",
    ),
    "register exits": (
        "from alert_core import hookimpl\n@hookimpl\ndef alert_register(): raise SystemExit(4)",
        "SystemExit: 4",
    ),
    "generator raises": (
        "from alert_core import *\n@hookimpl\ndef alert_register():\n    yield ProcessorSpec('half', repr)\n    1 / 0",
        "ZeroDivisionError",
    ),
    "none": ("from alert_core import hookimpl\n@hookimpl\ndef alert_register(): ...", "NoneType"),
    "no spec": ("from alert_core import hookimpl\n@hookimpl\ndef alert_register(): return ['slack']", "str"),
}


def named(plugins: Plugins, name: str) -> Plugin:
    (found,) = [plugin for plugin in plugins.plugins if plugin.name == name]
    return found


# Discovery through installed metadata


def test_an_installed_plugin_is_found_with_its_distribution_and_version(installed: Install) -> None:
    installed("acme", PAGER)
    plugins = Plugins.discover()
    acme = named(plugins, "acme")
    assert (acme.distribution, acme.version, acme.state, acme.error) == ("alert-acme", "1.2", "loaded", None)
    assert acme.hooks == ("alert_register",)
    assert plugins.transport_class("pager").__name__ == "PagerTransport"


def test_the_built_in_transports_are_there_without_any_plugin() -> None:
    assert Plugins().transport_class("noop") is NoopTransport
    assert set(Plugins().transport_specs) == {"noop", "memory", "console"}
    assert Plugins.discover({"ALERT_PLUGINS": "none-at-all"}).transport_class("memory") is MemoryTransport


def test_a_plugins_module_need_not_contribute_anything(installed: Install) -> None:
    installed("idle", "")
    assert named(Plugins.discover(), "idle").state == "loaded"


@pytest.mark.parametrize(("source", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_recorded_and_breaks_nothing_else(installed: Install, source: str, told: str) -> None:
    others = Plugins.discover()
    installed("broken", source)
    installed("zeta", PAGER)
    plugins = Plugins.discover()
    broken = named(plugins, "broken")
    assert (broken.state, broken.distribution, broken.version) == ("broken", "alert-broken", "1.2")
    assert (broken.hooks, broken.specs) == ((), ())
    assert told in (broken.error or "")
    assert "hunter2xyz" not in (broken.error or "")
    assert "\n" not in (broken.error or "")
    assert named(plugins, "zeta").state == "loaded"
    assert plugins.transport_class("pager")
    assert plugins.hookimpls("alert_dropped") == others.hookimpls("alert_dropped")
    assert plugins.processors == ()


@pytest.mark.parametrize(
    "lines", ["[alert_core.plugins]\nnonsense", "[alert_core.plugins]\nbad = not a module!", "\0[x\n=\n"]
)
def test_entry_points_that_cannot_be_read_hide_no_other_distributions(
    installed: Install, caplog: pytest.LogCaptureFixture, lines: str
) -> None:
    installed("mangled", "", entry_points=lines)
    installed("acme", PAGER)
    assert Plugins.discover().transport_class("pager")


def test_a_plugin_whose_distribution_has_lost_its_metadata_still_loads(installed: Install, tmp_path: Any) -> None:
    installed("acme", PAGER)
    (tmp_path / "site-packages" / "alert_acme-1.2.dist-info" / "METADATA").unlink()
    acme = named(Plugins.discover(), "acme")
    assert (acme.state, acme.version) == ("loaded", None)


def test_two_distributions_may_have_an_entry_point_of_one_name(installed: Install) -> None:
    seen = "from alert_core import hookimpl\n@hookimpl\ndef alert_dropped(reason): ..."
    others = len(Plugins.discover().hookimpls("alert_dropped"))
    for name in ("one", "two", "three"):
        installed(name, seen, entry_points=f"[alert_core.plugins]\nsame = {name}_plugin\n")
    plugins = Plugins.discover()
    same = {p.distribution: p.state for p in plugins.plugins if p.name == "same"}
    assert same == {"alert-one": "loaded", "alert-two": "loaded", "alert-three": "loaded"}
    assert len(plugins.hookimpls("alert_dropped")) == 3 + others


# Choosing


def test_a_disabled_plugin_is_never_imported(installed: Install) -> None:
    installed("acme", PAGER)
    installed("other", PAGER.replace("pager", "beeper"))
    plugins = Plugins.discover({"ALERT_DISABLE_PLUGINS": " acme , unknown"})
    acme = named(plugins, "acme")
    assert (acme.state, acme.error) == ("disabled", "named by ALERT_DISABLE_PLUGINS")
    assert "acme_plugin" not in sys.modules
    assert named(plugins, "other").state == "loaded"


def test_an_allow_list_imports_nothing_else(installed: Install) -> None:
    installed("acme", PAGER)
    installed("other", PAGER.replace("pager", "beeper"))
    plugins = Plugins.discover({"ALERT_PLUGINS": "other"})
    assert [p.name for p in plugins.plugins if p.state == "loaded"] == ["builtin", "other"]
    assert named(plugins, "acme").error == "not in ALERT_PLUGINS"
    assert "acme_plugin" not in sys.modules


def test_what_is_both_allowed_and_disabled_is_disabled(installed: Install) -> None:
    installed("acme", PAGER)
    plugins = Plugins.discover({"ALERT_PLUGINS": "acme", "ALERT_DISABLE_PLUGINS": "acme"})
    assert named(plugins, "acme").state == "disabled"


def test_plugins_that_are_given_are_the_only_ones_seen(installed: Install) -> None:
    installed("acme", PAGER)
    assert Plugins().plugins == []
    assert "acme_plugin" not in sys.modules


# Kinds


def test_a_kind_given_as_an_import_string_loads_when_asked_for(installed: Install) -> None:
    installed("acme", PAGER)
    plugins = Plugins([TransportSpec("pager", "acme_plugin:PagerTransport")])
    assert "acme_plugin" not in sys.modules
    assert plugins.transport_class("pager").kind == "pager"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such_module:Pager", "ModuleNotFoundError"),
        ("json:NoSuchClass", "AttributeError"),
        ("not an import string", "ValueError"),
        ("exits_plugin:Pager", "SystemExit"),
    ],
)
def test_an_import_string_that_fails_says_whose_it_is_and_what_to_do(
    installed: Install, target: str, told: str
) -> None:
    source = f"from alert_core import *\n@hookimpl\ndef alert_register():\n    yield TransportSpec('pager', {target!r})"
    installed("acme", source)
    installed("exits", "raise SystemExit", entry_points="[other]\n")
    with pytest.raises(
        PluginError, match=rf"'acme' of alert-acme 1.2 is broken: {told}.*reinstall or upgrade"
    ) as raised:
        Plugins.discover().transport_class("pager")
    assert raised.value.__context__ is None


def test_a_transport_that_is_no_transport_is_a_plugin_error() -> None:
    with pytest.raises(PluginError, match=r"pager.*no subclass of alert_core\.Transport"):
        Plugins([TransportSpec("pager", dict)]).transport_class("pager")  # type: ignore[arg-type]  # the fault


def test_one_kind_of_two_plugins_is_an_error_where_it_is_used_and_names_both(installed: Install) -> None:
    installed("one", PAGER)
    installed("two", PAGER)
    plugins = Plugins.discover()
    with pytest.raises(PluginError, match=r"alert-one 1\.2 and .*alert-two 1\.2; uninstall or disable one"):
        plugins.transport_class("pager")
    assert plugins.transport_class("noop")


def test_one_kind_of_two_plugins_is_told_in_the_row_of_each(installed: Install) -> None:
    for name in ("one", "two"):
        installed(name, PAGER, entry_points=f"[alert_core.plugins]\npager = {name}_plugin\n")
    rows = [row for row in Plugins.discover().rows() if row["name"] == "pager"]
    assert sorted(row["error"].split(";")[0] for row in rows) == [
        "kind pager comes from plugin 'pager' of alert-one 1.2 too",
        "kind pager comes from plugin 'pager' of alert-two 1.2 too",
    ]


def test_a_transport_and_a_queue_may_have_the_same_kind() -> None:
    class Queue:
        pass

    plugins = Plugins([TransportSpec("outbox", NoopTransport), QueueSpec("outbox", Queue)])
    assert plugins.transport_class("outbox") is NoopTransport
    assert plugins.queue_class("outbox") is Queue


@pytest.mark.parametrize("kind", FIRST_PARTY)
def test_an_unknown_kind_of_ours_says_what_to_install(kind: str) -> None:
    with pytest.raises(PluginError) as raised:
        Plugins().transport_class(kind)
    assert str(raised.value) == f'no plugin provides "{kind}"; try: pip install {FIRST_PARTY[kind]}'


def test_another_unknown_kind_gets_the_nearest_installed_and_never_an_invitation_to_install() -> None:
    with pytest.raises(PluginError) as raised:
        Plugins().transport_class("consol")
    assert str(raised.value) == 'no plugin provides "consol"; did you mean "console"?'
    with pytest.raises(PluginError, match='did you mean "console"'):
        Plugins().transport_class("Console")
    with pytest.raises(PluginError) as raised:
        Plugins().transport_class("requests")
    assert "console, memory, noop" in str(raised.value)
    assert "install " not in str(raised.value)


def test_an_unknown_kind_of_a_broken_plugin_says_that_it_is_broken_and_why(installed: Install) -> None:
    installed("acme", "import no_such_module")
    with pytest.raises(PluginError, match=r"'acme' of alert-acme 1\.2 is broken \(ModuleNotFoundError.*reinstall"):
        Plugins.discover().transport_class("acme")
    with pytest.raises(PluginError, match=r"broken: plugin 'acme' of alert-acme 1\.2"):
        Plugins.discover().transport_class("acme-pager")


def test_a_kind_of_a_disabled_plugin_says_what_disabled_it() -> None:
    with pytest.raises(PluginError, match=r"slack.*is disabled \(named by ALERT_DISABLE_PLUGINS\)"):
        Plugins.discover({"ALERT_DISABLE_PLUGINS": "slack"}).transport_class("slack-bot")


def test_an_unknown_kind_of_queue_is_told_alike() -> None:
    with pytest.raises(PluginError, match="try: pip install alert-outbox"):
        Plugins().queue_class("outbox")


# Hooks that this core does not know


def test_an_unknown_hook_is_a_warning_naming_the_plugin_and_what_to_upgrade(
    installed: Install, caplog: pytest.LogCaptureFixture
) -> None:
    installed("future", PAGER + "\n@hookimpl\ndef alert_teleported(alert): ...\n")
    future = named(Plugins.discover(), "future")
    assert (future.state, future.hooks) == ("loaded", ("alert_register",))
    assert "alert_teleported" in (future.error or "")
    (record,) = [record for record in caplog.records if "alert_teleported" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "alert-future 1.2" in record.getMessage()
    assert "upgrade alert-core" in record.getMessage()


def test_a_hook_may_be_implemented_under_another_name() -> None:
    class Plugin:
        @hookimpl(specname="alert_dropped")
        def count(self, reason: str) -> None:
            seen.append(reason)

    seen: list[str] = []
    plugins = Plugins([Plugin()])
    assert plugins.plugins[0].hooks == ("alert_dropped",)
    assert plugins.plugins[0].error is None
    Observers(plugins).tell("alert_dropped", alert=Alert("t", "m"), reason="exit", dropped_by="a")
    assert seen == ["exit"]


# Observers

DROP: dict[str, Any] = {"alert": Alert("t", "m"), "reason": "queue_full", "dropped_by": "ops"}


class Counter:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def alert_dropped(self, reason: str, dropped_by: str = "nobody") -> None:
        self.seen.append(f"{reason} by {dropped_by}")


class Raiser:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def alert_dropped(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("password=hunter2xyz"), SystemExit(1), KeyError("alert")])
def test_an_observer_that_raises_is_logged_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    first, last = Counter(), Counter()
    Observers(Plugins([first, Raiser(error), last])).tell("alert_dropped", **DROP)
    assert first.seen == last.seen == ["queue_full by ops"]
    (record,) = caplog.records
    assert f"raised {type(error).__name__}" in record.getMessage()
    assert "Raiser" in record.getMessage()
    assert "hunter2xyz" not in caplog.text


def test_an_observer_gets_only_the_arguments_that_it_names() -> None:
    seen: list[dict[str, Any]] = []

    class Some:
        @hookimpl
        def alert_dropped(self, dropped_by: str, alert: Alert, own: int = 5) -> None:
            seen.append({"dropped_by": dropped_by, "alert": alert, "own": own})

    Observers(Plugins([Some()])).tell("alert_dropped", **DROP)
    assert seen == [{"dropped_by": "ops", "alert": DROP["alert"], "own": 5}]


def test_an_observer_of_one_hook_hears_of_no_other() -> None:
    counter = Counter()
    Observers(Plugins([counter])).tell("alert_dispatch_finished", alert=DROP["alert"], report=None)
    assert counter.seen == []


# Specs


def test_specs_can_be_given_without_a_plugin_around_them() -> None:
    plugins = Plugins([TransportSpec("pager", NoopTransport), ProcessorSpec("enrich", lambda alert: alert)])
    assert [plugin.name for plugin in plugins.plugins] == ["pager", "enrich"]
    assert plugins.transport_class("pager") is NoopTransport


def test_each_spec_is_found_by_what_it_is() -> None:
    class Table:
        pass

    specs = [
        RedactorSpec("iban", lambda text: text),
        SourceSpec("grafana", lambda body, headers, query: []),
        CommandSpec("outbox", "alert_outbox.cli:outbox", "Look at the outbox"),
        TableSpec("outbox", Table),
    ]
    plugins = Plugins(specs)
    assert plugins.redactors == (specs[0],)
    assert plugins.sources == (specs[1],)
    assert plugins.commands == (specs[2],)
    assert plugins.tables == {"outbox": specs[3]}


def test_processors_come_by_order_and_then_by_name() -> None:
    specs = [ProcessorSpec(name, lambda alert: alert, order) for name, order in [("b", 0), ("c", -1), ("a", 0)]]
    assert [spec.name for spec in Plugins(specs).processors] == ["c", "a", "b"]


def test_alert_register_is_called_once_while_loading() -> None:
    calls = []

    class Plugin:
        @hookimpl
        def alert_register(self) -> list[TransportSpec]:
            calls.append(1)
            return [TransportSpec("pager", NoopTransport)]

    plugins = Plugins([Plugin()])
    plugins.transport_class("pager")
    plugins.rows()
    assert len(calls) == 1


# Rows


def test_rows_are_json_with_the_keys_of_the_contract(installed: Install) -> None:
    installed("acme", PAGER)
    installed("broken", "import no_such_module")
    rows = {row["name"]: row for row in Plugins.discover().rows()}
    assert json.loads(json.dumps(rows)) == rows
    assert rows["acme"] == {
        "name": "acme",
        "distribution": "alert-acme",
        "version": "1.2",
        "state": "loaded",
        "kinds": ["pager"],
        "hooks": ["alert_register"],
        "error": None,
    }
    assert rows["broken"]["state"] == "broken"
    assert rows["builtin"]["kinds"] == ["noop", "memory", "console"]


# The process's own


def test_the_installed_plugins_are_loaded_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from alert_core import plugins as module

    calls = []
    barrier = threading.Barrier(8)

    def discover() -> Plugins:
        calls.append(1)
        return Plugins()

    monkeypatch.setattr(Plugins, "discover", discover)
    module._discovered.cache_clear()
    found: list[Plugins] = []

    def load() -> None:
        barrier.wait()
        found.append(module.installed_plugins())

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    module._discovered.cache_clear()
    assert len(calls) == 1
    assert len({id(plugins) for plugins in found}) == 1


def test_a_class_of_the_base_transport_alone_is_a_transport() -> None:
    class Plain(Transport):
        kind = "plain"

    assert Plugins([TransportSpec("plain", Plain)]).transport_class("plain") is Plain
