"""Debian's postfix on loopback ports."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Final

from tests.e2e.mail_server import IDLE, LIMIT, POSTDROP_ID, MailServer

QUEUE: Final = "active bounce corrupt defer deferred flush hold incoming maildrop private saved trace".split()
CONFIGURATION: Final = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {folder}/etc
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/postfix
maillog_file_prefixes = {folder}
import_environment = LANG=C {environment}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
mynetworks =
alias_maps =
local_recipient_maps =
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
message_size_limit = {limit}
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = localhost
cyrus_sasl_config_path = {folder}/etc/sasl
smtpd_relay_restrictions =
smtpd_restriction_classes = greylisted
greylisted = check_policy_service unix:private/greylist
smtpd_recipient_restrictions =
  check_recipient_access inline:{{
    {{ nobody@example.org = 550 5.1.1 no such user }}
    {{ later@example.org = greylisted }} }}
  permit_sasl_authenticated
  reject
smtpd_end_of_data_restrictions =
  check_recipient_access inline:{{
    {{ spam@example.org = 550 5.7.1 refused by policy }}
    {{ early@example.org = 451 4.3.2 come back later }} }}
"""

SERVICES: Final = """
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:{plain} inet n - n - - smtpd
  -o smtpd_tls_security_level=none
  -o smtpd_sasl_auth_enable=no
  -o smtputf8_enable=no
  -o smtpd_recipient_restrictions=reject_unauth_destination
127.0.0.1:{hasty} inet n - n - - smtpd
  -o smtpd_timeout={idle}s
cleanup  unix       n - n -     0 cleanup
qmgr     unix       n - n 300   1 qmgr
tlsmgr   unix       - - n 1000? 1 tlsmgr
rewrite  unix       - - n -     - trivial-rewrite
bounce   unix       - - n -     0 bounce
defer    unix       - - n -     0 bounce
trace    unix       - - n -     0 bounce
error    unix       - - n -     - error
virtual  unix       - n n -     - virtual
anvil    unix       - - n -     1 anvil
postlog  unix-dgram n - n -     1 postlogd
greylist unix       - n n -     0 spawn user=nobody argv=/bin/sh {folder}/etc/greylist
"""

GREYLIST: Final = """
while read -r line; do
  if [ -z "$line" ]; then
    if mkdir {folder}/greylisted/later; then echo "action=451 4.7.1 greylisted"; else echo "action=dunno"; fi
    echo
  fi
done 2>/dev/null
"""

SASL: Final = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {database}
mech_list: PLAIN LOGIN
"""


class Postfix(MailServer):
    """postfix. Its master starts as root alone; what talks to the network runs as its own account."""

    package = "postfix"
    account = "postfix"
    libraries = ("usr/lib/postfix", *MailServer.libraries)
    log_name = "postfix"
    queue_id = r"queued as (\S+)"
    ended_without_data = r"disconnect from \S+ ehlo=2 starttls=1 auth=1 (?!.*data=).*commands="
    failed_login = "SASL PLAIN authentication failed"
    closed_while_idle = "timeout after END-OF-MESSAGE"

    def configure(self) -> None:
        """Write main.cf, master.cf, and the database of logins."""
        self.make("data")
        self.make("etc", "etc/sasl", mode=0o755)
        (self.folder / "queue" / "pid").mkdir(parents=True)  # root's
        self.make(*(f"queue/{name}" for name in QUEUE))
        self.make("queue/public", group=POSTDROP_ID, mode=0o710)
        self._write_login()
        etc, ports = self.folder / "etc", self.ports
        values = {"folder": self.folder, "root": self.root, "uid": self.uid, "gid": self.gid, "limit": LIMIT}
        (etc / "main.cf").write_text(CONFIGURATION.format(**values, environment=" ".join(self.environment())))
        (etc / "master.cf").write_text(SERVICES.format(**values, **vars(ports), idle=IDLE))
        (etc / "greylist").write_text(GREYLIST.format(folder=self.folder))
        # postfix waits for a main.cf that was written in this second: it might not be whole.
        os.utime(etc / "main.cf", (0, 0))

    def start(self) -> subprocess.Popen[bytes]:
        """The daemon that starts the others; it also ends them, and everything else in its process group."""
        return subprocess.Popen(
            [self.root / "usr/lib/postfix/sbin/master", "-d"],
            env=self.environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )

    def deliver(self) -> None:
        """Wait until the queue is empty."""
        # In the order in which a message passes through them, so that none is missed.
        folders = [self.folder / "queue" / name for name in ("incoming", "active", "deferred")]

        def is_empty() -> bool:
            return not any(path.is_file() for folder in folders for path in folder.rglob("*"))

        self.eventually(is_empty, "does not deliver")

    def environment(self) -> Mapping[str, str]:
        """Also where its configuration is, its ways of login, and its log."""
        (plugins,) = self.root.glob("usr/lib/*/sasl2")
        own = {"MAIL_CONFIG": str(self.folder / "etc"), "SASL_PATH": str(plugins)}
        return {**super().environment(), **own, "POSTLOG_SERVICE": "postlog", "POSTLOG_HOSTNAME": self.host}

    def _write_login(self) -> None:
        database = self.folder / "etc" / "sasldb"
        (self.folder / "etc" / "sasl" / "smtpd.conf").write_text(SASL.format(database=database))
        command = [f"{self.root}/usr/sbin/saslpasswd2", *f"-c -p -f {database} -u {self.host} {self.username}".split()]
        subprocess.run(command, input=self.password.encode(), env=self.environment(), check=True)
        self.own(database, 0o600)
