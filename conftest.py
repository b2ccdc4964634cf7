"""What the tests of every distribution share: the servers that a test may need, and hypothesis's settings.

A test marked `@pytest.mark.needs("exim4")`, or `needs(modules=["twilio"])`, is skipped where that program or module
is not installed, and fails there when ALERT_CORE_REQUIRE_SERVERS is set, as `nox -s e2e` and `nox -s wire` do.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from hypothesis import settings

REQUIRED = bool(os.environ.get("ALERT_CORE_REQUIRE_SERVERS"))
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])  # where Debian keeps its servers

settings.register_profile("default", deadline=None)  # shared machines stall: only an example's result counts
settings.load_profile("default")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where servers are required, a test that needs what is not installed."""
    for marker in item.iter_markers("needs"):
        missing = [program for program in marker.args if not shutil.which(program, path=SEARCH)]
        missing += [name for name in marker.kwargs.get("modules", ()) if not importlib.util.find_spec(name)]
        if missing and REQUIRED:
            session = "wire" if "wire" in item.path.parts else "e2e"
            pytest.fail(f"not installed: {', '.join(missing)}; `nox -s {session}` installs it", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")


EXIM_CONFIGURATION = """
primary_hostname = localhost
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
exim_user = {uid}
exim_group = {gid}
never_users =
tls_advertise_hosts = *
tls_certificate = {folder}/server.pem
tls_privatekey = {folder}/server.pem
host_lookup =
rfc1413_query_timeout = 0s
queue_only
acl_smtp_rcpt = relay
begin acl
relay:
  deny    message = relay not permitted: authenticate over TLS first
          condition = ${{if or {{ {{!def:tls_in_cipher}} {{!def:authenticated_id}} }} }}
  deny    message = no such user
          local_parts = nobody
  accept
begin routers
everyone:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  directory = {folder}/mail
  directory_file = $message_exim_id-$local_part
  create_directory = false
  user = {uid}
  group = {gid}
  envelope_to_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and {{ {{eq{{$auth2}}{{{username}}}}} {{eq{{$auth3}}{{{password}}}}} }} }}
  server_set_id = $auth2
"""


@dataclass(frozen=True)
class Exim:
    """A running Debian exim that takes mail over STARTTLS and PLAIN, but none for `nobody@…`."""

    folder: Path
    program: str
    account: int
    port: int
    host: str = "localhost"
    username: str = "alerts"
    password: str = "exim-canary-9Zq4"

    @property
    def ca_bundle(self) -> Path:
        """The certificate that signed the server's."""
        return self.folder / "ca.pem"

    def configure(self) -> None:
        """Write the configuration, and the folders that it names."""
        group = pwd.getpwuid(self.account).pw_gid
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        authority.issue_cert(self.host).private_key_and_cert_chain_pem.write_to_path(str(self.folder / "server.pem"))
        self.settings.write_text(
            EXIM_CONFIGURATION.format(
                folder=self.folder,
                port=self.port,
                uid=self.account,
                gid=group,
                username=self.username,
                password=self.password,
            )
        )
        for name in ("spool", "log", "mail"):
            (self.folder / name).mkdir()
        if os.geteuid() == 0:
            for path in [self.folder, *self.folder.iterdir()]:
                os.chown(path, self.account, group)

    @property
    def settings(self) -> Path:
        """The server's configuration file."""
        return self.folder / "exim.conf"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start exim as an account that is not root, since it delivers no mail as root."""
        command = [self.program, "-C", str(self.settings), *arguments]
        group = pwd.getpwuid(self.account).pw_gid
        return subprocess.Popen(command, user=self.account, group=group, stdin=subprocess.DEVNULL)

    def wait_until_it_listens(self, server: subprocess.Popen[bytes]) -> None:
        """Return once the server takes connections."""
        for _ in range(200):
            assert server.poll() is None, f"exim ended: see {self.folder}/log"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("exim did not listen within ten seconds")

    def mail(self) -> list[bytes]:
        """Deliver what is queued; return every delivered message, one for each recipient."""
        assert self.start("-qff").wait(timeout=60) == 0
        return [path.read_bytes() for path in sorted((self.folder / "mail").iterdir())]


@pytest.fixture
def exim() -> Iterator[Exim]:
    """Debian's exim on a loopback port; mark the test `needs("exim4")`."""
    program = shutil.which("exim4", path=SEARCH)
    assert program, 'mark this test @pytest.mark.needs("exim4")'
    account = pwd.getpwnam("Debian-exim").pw_uid if os.geteuid() == 0 else os.geteuid()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not tmp_path: only its owner may enter that.
    with tempfile.TemporaryDirectory(prefix="exim-") as folder:
        server = Exim(Path(folder), program, account, port)
        server.configure()
        process = server.start("-bdf")
        try:
            server.wait_until_it_listens(process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)
