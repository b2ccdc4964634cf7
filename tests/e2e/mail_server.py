"""What Debian's exim and postfix have in common here: what they take and refuse, how they run and how they end.

Neither is installed: `nox -s e2e` unpacks their packages into .nox/debian. Everything that a server reads and writes is
in a folder of its own; the accounts that it asks for are told to it by libnss-wrapper.
"""

from __future__ import annotations

import email
import email.policy
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar, Final, TypeVar

import trustme

UNPACKED: Final = Path(__file__).parents[2] / ".nox" / "debian"
SERVER_ID: Final = 61_001  # the user and the group of a server that root starts; an account of the system has neither
POSTDROP_ID: Final = 61_002
PATIENCE: Final = 30.0  # seconds for what takes a fraction of one

LIMIT: Final = 20_000
"""Octets of the greatest message that either server takes."""
IDLE: Final = 2
"""Seconds after which either closes a silent connection, on its port `hasty`."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Ports:
    """Where a server listens."""

    starttls: int
    """Takes mail over STARTTLS from who logs in, and offers SMTPUTF8."""
    tls: int
    """The same, but TLS from the start."""
    plain: int
    """Takes mail from everyone, and offers neither STARTTLS nor SMTPUTF8."""
    hasty: int
    """As `starttls`, but closes a connection that is silent for IDLE seconds."""

    @classmethod
    def free(cls) -> Ports:
        """Four that nothing listens on, below those that the system gives to outgoing connections."""
        found: list[int] = []
        for port in random.sample(range(20_000, 32_000), 1000):
            with socket.socket() as tried, suppress(OSError):
                tried.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == 4:
                break
        return cls(*found)


class MailServer:
    """A mail server for example.org: who is no `nobody`, `later`, `spam` or `early` there has a mailbox.

    `nobody` is refused with 550 5.1.1, `later` is greylisted: put off once with 451 4.7.1. Of a message to `spam` or to
    `early` the final dot is answered by 550 5.7.1 and 451 4.3.2.
    """

    package: ClassVar[str]
    account: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ("usr/lib/*-linux-gnu", "lib/*-linux-gnu")
    log_name: ClassVar[str]
    queue_id: ClassVar[str]
    """What the receipt's reply holds, with the queue id as its group."""
    ended_without_data: ClassVar[str]
    """What the log has of a connection that logged in and never came to DATA."""
    failed_login: ClassVar[str]
    closed_while_idle: ClassVar[str]
    """What the log has for each of these."""

    host: Final = "localhost"
    username: Final = "alerts"
    password: Final = "mail-canary-9Zq4"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = Ports.free()
        self.ca_bundle = folder / "ca.pem"
        self.root = folder / "root"
        self.uid, self.gid = (SERVER_ID, SERVER_ID) if os.geteuid() == 0 else (os.geteuid(), os.getegid())

    def configure(self) -> None:
        """Write the server's configuration, certificate, and login; make its folders."""
        raise NotImplementedError

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server in a session of its own."""
        raise NotImplementedError

    def deliver(self) -> None:
        """See that everything in its queue has arrived."""
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server; when this ends, none of its processes is left."""
        self.folder.chmod(0o755)
        # The server's account may not enter the folders that the checkout is in.
        shutil.copytree(
            UNPACKED / self.package, self.root, symlinks=True, ignore=shutil.ignore_patterns("share", "etc", "var")
        )
        self._prepare()
        self.configure()
        process = self.start()
        try:
            self._wait_until_it_listens(process)
            yield
        finally:
            process.terminate()
            with suppress(ProcessLookupError):
                try:
                    process.wait(PATIENCE)
                finally:
                    os.killpg(process.pid, signal.SIGKILL)

    def empty(self) -> None:
        """Forget what arrived, and who was greylisted."""
        self.deliver()
        for path in self._mailbox():
            path.unlink()
        for path in (self.folder / "greylisted").iterdir():
            path.rmdir()

    def mail(self) -> list[EmailMessage]:
        """Every message that arrived, one for each recipient, who stands in its Delivered-To."""
        self.deliver()
        return [
            email.message_from_string(path.read_bytes().decode(), policy=email.policy.default)
            for path in sorted(self._mailbox())
        ]

    def log(self) -> str:
        """What the server wrote about its work since it was started."""
        path = self.folder / "log" / self.log_name
        return path.read_text() if path.exists() else ""

    def logged(self, pattern: str, start: int) -> list[str]:
        """What of the log matches, from this length of it on; waits for a first match."""
        return self.eventually(lambda: re.findall(pattern, self.log()[start:]), f"logs nothing like {pattern!r}")

    def eventually(self, get: Callable[[], Found], complaint: str) -> Found:
        """What `get()` returns once that is true; AssertionError after PATIENCE."""
        ends = time.monotonic() + PATIENCE
        while not (found := get()):
            assert time.monotonic() < ends, f"{self.package} {complaint}: {self.log()}"
            time.sleep(0.02)
        return found

    def environment(self) -> Mapping[str, str]:
        """What each of the server's processes needs, to find its libraries and its accounts."""
        folders = [str(path) for pattern in self.libraries for path in self.root.glob(pattern)]
        (wrapper,) = self.root.glob("usr/lib/*/libnss_wrapper.so")
        return {
            "PATH": "/usr/bin:/bin",
            "LD_LIBRARY_PATH": ":".join(folders),
            "LD_PRELOAD": str(wrapper),
            "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.folder / "group"),
        }

    def make(self, *names: str, group: int | None = None, mode: int = 0o700) -> None:
        """Make folders that are the server's."""
        for name in names:
            path = self.folder / name
            path.mkdir(parents=True, exist_ok=True)
            self.own(path, mode, group)

    def own(self, path: Path, mode: int, group: int | None = None) -> None:
        """Give a file or a folder to the server."""
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid if group is None else group)

    def _prepare(self) -> None:
        accounts = {"root": (0, 0), "nobody": (65_534, 65_534), self.account: (self.uid, self.gid)}
        groups = {**{name: gid for name, (_, gid) in accounts.items()}, "postdrop": POSTDROP_ID}
        passwd = [f"{name}:x:{uid}:{gid}::/:/bin/false\n" for name, (uid, gid) in accounts.items()]
        (self.folder / "passwd").write_text("".join(passwd))
        (self.folder / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in groups.items()))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        certificate = self.folder / "server.pem"
        authority.issue_cert(self.host).private_key_and_cert_chain_pem.write_to_path(str(certificate))
        self.own(certificate, 0o600)
        self.make("mail", "mail/new", "log")
        self.make("greylisted", mode=0o777)

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        def answers() -> bool:
            assert process.poll() is None, f"{self.package} ended: {self.log()}"
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.ports.hasty), PATIENCE):
                return True
            return False

        self.eventually(answers, "does not listen")

    def _mailbox(self) -> list[Path]:
        return list((self.folder / "mail" / "new").iterdir())
