"""`alertctl check` finds what `alertctl serve` would refuse."""

from pathlib import Path

import pytest

from alert_core.cli import main


def test_check_refuses_what_serve_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(
        '[targets.ops]\ntype = "noop"\n[sources.grafna]\n[heartbeats.backup]\nevery = "24h"\ntargets = ["op"]\n'
    )
    monkeypatch.setenv("ALERT_CONFIG", str(file))
    with pytest.raises(SystemExit, match="2"):
        main(["check"])
    out, err = capsys.readouterr()
    assert "valid" not in out
    assert err.splitlines() == [
        'Error: sources.grafna: no such format; did you mean "grafana"?; a name of your own needs a type',
        'Error: heartbeats.backup.targets: no such target; did you mean "ops"?',
    ]
