"""The contract of each sample: run by test_contract.py in processes of their own."""

import json
import socket
from typing import Any, ClassVar

from samples.plugin import KINDS  # type: ignore[import-not-found]  # conftest.py installs it

from alert_core import Alert
from alert_core.testing import CANARY, Fault, ProviderReplies, Received, Reply, StandIn, TransportContract
from alert_core.testing.standin import reset


class Samples(TransportContract):
    options: ClassVar = {"token": CANARY, "channel": "#ops"}
    replies = ProviderReplies(
        ok=Reply(200, json={"ok": True, "id": "m1"}),
        rejected=Reply(200, json={"ok": False, "error": "no_channel"}),
        others={"busy": Reply(200, json={"ok": False, "error": "busy"}, outcome="retryable")},
    )
    max_text = 4000
    markup = ("<!channel>", "<b>")
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        super().check_request(request, alert)
        assert json.loads(request.body)["title"], "title is required"


for name in (*KINDS, "Heavy"):
    globals()[f"Test{name}"] = type(f"Test{name}", (Samples,), {"kind": name.lower()})


class LineStandIn(StandIn):
    """A protocol of one line a message, and one line for an answer."""

    def talk(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as stream:
            while line := stream.readline():
                self.record(Received(body=line.rstrip(b"\n"), connection=number))
                if not self.answer(connection, self.take()):
                    return

    def answer(self, connection: socket.socket, reply: Reply) -> bool:
        line = f"{reply.status} ".encode() + reply.body
        match reply.fault:
            case None:
                connection.sendall(line + b"\n")
                return True
            case Fault.HANG:
                self.closing.wait()
            case Fault.RESET:
                reset(connection)
            case Fault.DRIP_HEAD:
                self.drip(connection, line)
            case Fault.GARBAGE:
                connection.sendall(b"\x16\x03\x01\n")
            case _:
                connection.sendall(line)
        return False


class TestLines(TransportContract):
    """A contract of another protocol than HTTP."""

    kind = "lines"
    options: ClassVar = {"host": "alerts.example.com", "token": CANARY, "to": ["ann", "ben"]}
    stand_in = LineStandIn
    replies = ProviderReplies(
        ok=Reply(250, text="m1"),
        unauthorized=Reply(535, text="who are you"),
        unavailable=Reply(451, text="later"),
        others={"unknown": Reply(550, text="no such user", outcome="permanent")},
    )
    canary_on_wire = ("body",)

    def endpoint(self, host: str, port: int, ca_bundle: str | None) -> dict[str, Any]:
        return {"host": host, "port": port, "ca_bundle": ca_bundle}
