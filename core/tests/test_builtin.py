"""The transports that need no plugin: noop, memory, console."""

import io
import sys
import threading

import pytest

from alert_core import Alert, ConfigError, Severity, Status
from alert_core.builtin import SPECS, ConsoleTransport, MemoryTransport, NoopTransport, render


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_the_built_in_kinds_are_noop_memory_and_console_each_with_a_summary() -> None:
    assert [(spec.kind, spec.transport) for spec in SPECS] == [
        ("noop", NoopTransport),
        ("memory", MemoryTransport),
        ("console", ConsoleTransport),
    ]
    assert all(spec.summary for spec in SPECS)


def test_noop_says_yes() -> None:
    alert = Alert("t", "m")
    assert NoopTransport().send(alert).id == alert.id


# memory


def test_memory_keeps_the_alerts_oldest_first() -> None:
    memory = MemoryTransport()
    alerts = [Alert(f"t{number}", "m") for number in range(3)]
    assert [memory.send(alert).id for alert in alerts] == [alert.id for alert in alerts]
    assert memory.alerts == alerts


def test_memory_keeps_no_more_than_its_limit_and_forgets_the_oldest() -> None:
    memory = MemoryTransport(limit=2)
    for number in range(5):
        memory.send(Alert(f"t{number}", "m"))
    assert [alert.title for alert in memory.alerts] == ["t3", "t4"]


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="limit"):
        MemoryTransport(limit=0)


def test_two_memories_share_nothing() -> None:
    one, other = MemoryTransport(), MemoryTransport()
    one.send(Alert("t", "m"))
    assert other.alerts == []


def test_memory_loses_nothing_to_eight_threads() -> None:
    memory = MemoryTransport()
    alert = Alert("t", "m")
    threads = [threading.Thread(target=lambda: [memory.send(alert) for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.alerts) == 1600


# console


def test_console_writes_the_alert_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleTransport().send(
        Alert(
            "Disk full",
            "97 % of /var\nno room",
            severity="critical",
            source="db1",
            tags=["disk", "db"],
            url="https://example.org/d",
            metadata={"free": "3 MB"},
        )
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "[CRITICAL] Disk full source=db1 tags=disk,db https://example.org/d\n"
        "    97 % of /var\n    no room\n    free: 3 MB\n"
    )


def test_console_writes_to_standard_output_when_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleTransport(stream="stdout").send(Alert("Disk full", "m"))
    assert capsys.readouterr() == ("[ERROR] Disk full\n    m\n", "")


def test_another_stream_is_refused() -> None:
    with pytest.raises(ConfigError, match="stream"):
        ConsoleTransport(stream="stdin")  # type: ignore[arg-type]  # the fault under test


def test_what_is_not_firing_shows_its_status_in_place_of_its_severity() -> None:
    assert render(Alert("a", "b", status="resolved")).startswith("[RESOLVED] a\n")
    assert render(Alert("a", "b", status="acknowledged")).startswith("[ACKNOWLEDGED] a\n")


def test_a_message_equal_to_the_title_is_not_repeated() -> None:
    assert render(Alert("a", "a")) == "[ERROR] a\n"


@pytest.mark.parametrize("field", ["title", "message", "source", "tags", "key", "value"])
def test_no_control_character_of_an_alert_reaches_the_terminal_and_no_line_starts_but_indented(field: str) -> None:
    nasty = "x\x1b[2J\x07\x9b0m\r\n[CRITICAL] forged\u2028y\x00"
    fields = {"title": nasty} if field == "title" else {"title": "t"}
    alert = Alert(
        fields["title"],
        nasty if field == "message" else "m",
        source=nasty if field == "source" else None,
        tags=[nasty] if field == "tags" else [],
        metadata={nasty if field == "key" else "k": nasty if field == "value" else "v"},
    )
    first, *others = render(alert).removesuffix("\n").split("\n")
    assert not set("\x1b\x07\x9b\r\x00") & set(render(alert))
    assert first.startswith("[ERROR] ")
    assert all(line.startswith("    ") for line in others)


@pytest.mark.parametrize("severity", Severity)
def test_a_terminal_gets_colour_and_it_ends_before_the_title(
    severity: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    ConsoleTransport().send(Alert("Disk full", "m", severity=severity))
    assert terminal.getvalue().startswith("\x1b[")
    assert f"[{severity.upper()}]\x1b[0m Disk full" in terminal.getvalue()


def test_a_resolved_alert_is_green() -> None:
    assert render(Alert("a", "b", status=Status.RESOLVED, severity="critical"), colour=True).startswith("\x1b[32m")


def test_no_color_turns_the_colour_off(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    ConsoleTransport().send(Alert("Disk full", "m"))
    assert "\x1b" not in terminal.getvalue()


def test_a_stream_that_knows_ascii_alone_gets_escapes_and_the_alert_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    ConsoleTransport(stream="stdout").send(Alert("Disco cheio: Luanda já", "m"))
    assert raw.getvalue() == b"[ERROR] Disco cheio: Luanda j\\xe1\n    m\n"


def test_an_alert_is_written_in_one_call_so_that_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Stream(Terminal):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    ConsoleTransport().send(Alert("a", "b\nc\nd"))
    assert len(written) == 1


def test_console_writes_to_what_stands_in_for_the_stream_in_a_celery_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class LoggingProxy:  # celery.utils.log.LoggingProxy: a stream without an encoding
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

        def isatty(self) -> bool:
            return False

        def flush(self) -> None: ...

    proxy = LoggingProxy()
    monkeypatch.setattr(sys, "stderr", proxy)
    ConsoleTransport().send(Alert("t", "m"))
    assert proxy.text.startswith("[ERROR] t")
