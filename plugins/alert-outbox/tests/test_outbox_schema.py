"""A database that one version has written opens in the next."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alert_core import Alert, Dispatcher, Route
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox, database, schema

VERSION_1 = Path(__file__).parent / "version-1.sql"


def test_what_this_version_has_stored_is_delivered_by_the_next(make: Any, target: Any, monkeypatch: Any) -> None:
    old = make(target("a"), queue={"worker": False})
    old.enqueue(Alert("t", "m"))
    old.close(0)
    added = sa.text("ALTER TABLE alert_outbox_alerts ADD COLUMN later TEXT")
    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, lambda: [added]))
    monkeypatch.setattr(database, "VERSION", schema.VERSION + 1)
    a = target("a")
    new = make(a)
    assert new.flush(60)
    assert a.taken == {"t": 1}
    assert new.queue.database.read(lambda c: c.execute("SELECT later FROM alert_outbox_alerts").fetchall()) == [(None,)]


def test_several_processes_that_bring_the_tables_to_their_version_do_it_once(make: Any, target: Any) -> None:
    made = [make(target("a"), queue={"worker": False}) for _ in range(4)]
    tickets = [one.enqueue(Alert("t", "m")) for one in made]
    assert all(ticket.stored for ticket in tickets)
    assert made[0].queue.inspection.overview().open == 4


def tables(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT sql FROM sqlite_master WHERE name LIKE '%alert_outbox%' ORDER BY name")
        texts = [text for (text,) in found if text]
    connection.close()
    return [" ".join(text.split()) for text in texts]


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """The database that version 1 of the tables wrote: it is never made anew."""
    path = tmp_path / "alerts.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1.read_text())
    connection.close()
    return path


def test_what_version_1_has_stored_is_delivered_and_what_it_remembers_is_known(version_1: Path, target: Any) -> None:
    a = target("a")
    outbox = Outbox(path=str(version_1), keep="36500d")  # however long ago it was written
    with Dispatcher(
        [a], queue=outbox, plugins=isolated_plugins(), routes=[Route(["a"], name="r", repeat_every="36500d")]
    ) as d:
        assert d.flush(60)
        assert a.taken == {"waits": 1}
        assert d.send(Alert("fires", "m")).dropped == "deduplicated: r"
        assert outbox.silences.list(ended=True)[0].author == "ana"
        assert {one.title: one.state for one in outbox.inspection.deliveries()} == {
            "waits": "delivered",
            "fires": "delivered",
        }


def test_the_first_migration_makes_what_it_always_made(version_1: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A change of the tables is another migration: databases of version 1 are out there."""
    fresh = tmp_path / "fresh.db"
    monkeypatch.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:1])
    monkeypatch.setattr(database, "VERSION", 1)
    outbox = Outbox(path=str(fresh))
    outbox.make_tables()
    outbox.database.close()
    assert tables(fresh) == tables(version_1)
