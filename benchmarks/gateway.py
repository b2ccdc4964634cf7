"""The rows of the gateway."""

from collections.abc import Iterator

from rows import Row, Run, Setting

CONNECTIONS = 32
PEER = "tutorial"


def gateway(setting: Setting) -> Iterator[Row]:
    """Posts to the gateway, which commits each to disk and delivers it, beside an application that does neither."""

    def run(who: str, server: str, function: str, count: int) -> Run:
        arguments = {"server": server, "connections": CONNECTIONS, "count": count}
        return Run(who, "run_alert_gateway.py", function, arguments)

    what = (
        "post the tutorial's body over 32 kept connections to `alertctl serve`, which answers when the alert is "
        "committed to SQLite with synchronous=FULL, and delivers it to a target that does nothing; the peer is the "
        "tutorial's Flask application under waitress, its SMS client a stub"
    )
    for name, function, unit, limit, more in (
        ("gateway: posts a second", "rate", "/s", 1.0, True),
        ("gateway: p99 of a post", "p99", "ms", 1.0, False),
    ):
        count = setting.count(5_000)
        runs = (run("alert-core", "alert-gateway", function, count), run(PEER, "tutorial", function, count))
        yield Row(name, what, unit, runs, limit=limit, more_is_better=more, against=(PEER,))
    yield Row(
        "gateway: growth in a flood",
        "resident memory of `alertctl serve` after 50,000 such posts beyond what it was after 5,000",
        "MB",
        (run("alert-core", "alert-gateway", "flood", setting.count(50_000)),),
        limit=20,
        of="value",
    )
