"""Debian's exim on loopback ports."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.e2e.mail_server import IDLE, LIMIT, PATIENCE, MailServer

CONFIGURATION: Final = """
primary_hostname = localhost
local_interfaces = 127.0.0.1
daemon_smtp_ports = {ports}
tls_on_connect_ports = {tls}
exim_path = {program}
exim_user = {uid}
exim_group = {gid}
never_users =
keep_environment = {environment}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
log_selector = +smtp_no_mail
tls_advertise_hosts = {not_plain}
smtputf8_advertise_hosts = {not_plain}
auth_advertise_hosts = ${{if def:tls_in_cipher{{*}}{{}}}}
tls_certificate = {folder}/server.pem
tls_privatekey = {folder}/server.pem
message_size_limit = {limit}
smtp_receive_timeout = ${{if eq{{$received_port}}{{{hasty}}}{{{idle}s}}{{5m}}}}
host_lookup =
helo_lookup_domains =
rfc1413_query_timeout = 0s
queue_only
acl_smtp_rcpt = recipient
acl_smtp_data = message
begin acl
recipient:
  deny    message = 5.7.1 authenticate over TLS first
          condition = ${{if !eq{{$received_port}}{{{plain}}}}}
          condition = ${{if or {{ {{!def:tls_in_cipher}} {{!def:authenticated_id}} }} }}
  deny    message = 5.1.1 no such user
          local_parts = nobody
  defer   message = 4.7.1 greylisted
          local_parts = later
          condition = ${{run{{/bin/mkdir {folder}/greylisted/later}}{{yes}}{{no}}}}
  accept
message:
  deny    message = 5.7.1 refused by policy
          condition = ${{if match{{$recipients}}{{^spam@}}}}
  defer   message = 4.3.2 come back later
          condition = ${{if match{{$recipients}}{{^early@}}}}
  accept
begin routers
everyone:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  directory = {folder}/mail/new
  directory_file = $message_exim_id-$local_part
  create_directory = false
  user = {uid}
  group = {gid}
  headers_add = Delivered-To: $local_part@$domain
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and {{ {{eq{{$auth2}}{{{username}}}}} {{eq{{$auth3}}{{{password}}}}} }} }}
  server_set_id = $auth2
"""


class Exim(MailServer):
    """exim. It runs as an account that is not root, since it delivers no mail as root."""

    package = "exim"
    account = "Debian-exim"
    log_name = "mainlog"
    queue_id = r"OK id=(\S+)"
    ended_without_data = r"no MAIL in SMTP connection.* C=EHLO,STARTTLS,EHLO,AUTH,"
    failed_login = "535 Incorrect authentication data"
    closed_while_idle = "SMTP command timeout"

    @property
    def program(self) -> Path:
        """The one that does it all."""
        return self.root / "usr/sbin/exim4"

    def configure(self) -> None:
        """Write its one file."""
        self.make("spool")
        self.program.chmod(0o755)  # without Debian's setuid, which would drop the environment
        ports = self.ports
        (self.folder / "exim.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                program=self.program,
                environment=" : ".join(self.environment()),
                ports=f"{ports.starttls} : {ports.tls} : {ports.plain} : {ports.hasty}",
                tls=ports.tls,
                not_plain=f"${{if eq{{$received_port}}{{{ports.plain}}}{{}}{{*}}}}",
                plain=ports.plain,
                hasty=ports.hasty,
                idle=IDLE,
                limit=LIMIT,
                uid=self.uid,
                gid=self.gid,
                username=self.username,
                password=self.password,
            )
        )

    def start(self) -> subprocess.Popen[bytes]:
        """The daemon: it takes mail, and delivers none by itself."""
        return self._run("-bdf")

    def deliver(self) -> None:
        """Run the queue once."""
        assert self._run("-qff").wait(PATIENCE) == 0

    def _run(self, what: str) -> subprocess.Popen[bytes]:
        account: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": ()} if os.geteuid() == 0 else {}
        return subprocess.Popen(
            [self.program, "-C", self.folder / "exim.conf", what],
            env=self.environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            **account,
        )
