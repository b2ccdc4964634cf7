"""How fast the receivers answer a client that does nothing else: prepared bytes over one kept connection.

And a scan by one plain pattern, as one writes it at first.
"""

import re
import socket
import ssl
import urllib.parse

import work

BODY = b'{"text": "Payment provider timeout"}'
REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
MAIL = (
    (b"MAIL FROM:<alerts@example.com>\r\n", b"250"),
    (b"RCPT TO:<ops@example.com>\r\n", b"250"),
    (b"DATA\r\n", b"354"),
    (b"Subject: Payment provider timeout\r\n\r\nNo answer.\r\n.\r\n", b"250"),
)
SECRETS = re.compile(
    r"(?i)(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie|session)"
    r"[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{6,}"
    r"|bearer\s+[\w.~+/-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}"
    r"|xox[abprs]-[\w-]{10,}|sk_live_[0-9a-zA-Z]{16,}|://[^/\s:@]+:[^/\s:@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def post(url: str, seconds: float) -> float:
    parts = urllib.parse.urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme == "https":
        connection = ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)

    def send(_: work.Fields) -> bool:
        connection.sendall(REQUEST)
        return connection.recv(4096).endswith(b"ok")

    return work.per_second(send, seconds)


def mail(port: int, seconds: float) -> float:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.recv(4096)

    def send(_: work.Fields) -> bool:
        for command, answer in MAIL:
            connection.sendall(command)
            if not connection.recv(4096).startswith(answer):
                return False
        return True

    return work.per_second(send, seconds)


def scan() -> dict[str, float]:
    return work.megabytes_per_second(SECRETS.findall)


if __name__ == "__main__":
    work.main(globals())
