"""Python imports this first where its folder is on PYTHONPATH: no page reaches past this machine."""

import sys
from typing import Any

LOCAL = {"", "localhost", "::1"}


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse a connection, or a look-up, of a host that is not this one."""
    if event == "socket.connect":
        host = arguments[1][0] if isinstance(arguments[1], tuple) else ""
    elif event == "socket.getaddrinfo":
        host = arguments[0] or ""
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name not in LOCAL and not name.startswith("127."):
        raise PermissionError(f"a page of the docs may not connect to {name}")


sys.addaudithook(refuse)
