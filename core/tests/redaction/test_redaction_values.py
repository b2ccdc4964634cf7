"""Spans in texts: what must go, and the text around it that must stay."""

import base64

import pytest

from alert_core.redaction import Redactor, redact, rules, vendors

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"

# A text, the secret in it, and what must be left of the text.
MASKED = [
    ("login failed: password=hunter2 for bob", "hunter2", "login failed: password=… for bob"),
    ("password = 'correct horse battery'", "correct horse battery", "password = '…'"),
    ('{"user": "bob", "api_key": "a-b-c-1"}', "a-b-c-1", '{"user": "bob", "api_key": "…"}'),
    ('{\\"password\\": \\"hunter2\\", \\"n\\": 1}', "hunter2", '{\\"password\\": \\"…\\", \\"n\\": 1}'),
    ('{"password": "with \\" quote", "n": 1}', 'with \\" quote', '{"password": "…", "n": 1}'),
    ('{"pin": 4711, "n": 1}', "4711", '{"pin": …, "n": 1}'),
    ('"passwords": ["one1", "two2"], "n": 1', "two2", None),
    ("User(name='bob', password='hunter2')", "hunter2", "User(name='bob', password='…')"),
    (
        "Headers([('authorization', 'opaque1'), ('host', 'h')])",
        "opaque1",
        "Headers([('authorization', '…'), ('host', 'h')])",
    ),
    ("environ({'DB_PASSWORD': 'x1', 'HOME': '/root'})", "x1", "environ({'DB_PASSWORD': '…', 'HOME': '/root'})"),
    ("PATH=/bin\nDB_PASSWORD=two words\nHOME=/root", "two words", "PATH=/bin\nDB_PASSWORD=…\nHOME=/root"),
    ("GET /x?page=2&token=abc123def&size=3", "abc123def", "GET /x?page=2&token=…&size=3"),
    ("next=%2Fx%3Ftoken%3Dabc123def%26size%3D3", "abc123def", "next=%2Fx%3Ftoken%3D…%26size%3D3"),
    (
        "https://maps.example.com/api?q=x&key=AbCd1234EfGh5678&z=1",
        "AbCd1234EfGh5678",
        "https://maps.example.com/api?q=x&key=…&z=1",
    ),
    ("X-Api-Key: abc-123\r\nHost: h", "abc-123", "X-Api-Key: …\r\nHost: h"),
    ("Authorization: Bearer opaque-token-1\nHost: h", "opaque-token-1", "Authorization: Bearer …\nHost: h"),
    ("Authorization: Basic Ym9iOmh1bnRlcjI=", "Ym9iOmh1bnRlcjI=", "Authorization: Basic …"),
    ('Authorization: Digest username="bob", response="6629fae4"', "6629fae4", "Authorization: Digest …"),
    ("sent Basic Ym9iOmh1bnRlcjI= twice", "Ym9iOmh1bnRlcjI=", "sent Basic … twice"),
    ("with bearer mF_9.B5f-4.1JqM it failed", "mF_9.B5f-4.1JqM", "with bearer … it failed"),
    ("Cookie: theme=dark; sessionid=38afes7a8", "38afes7a8", "Cookie: theme=dark; sessionid=…"),
    ("Set-Cookie: sid=38afes7a8; Path=/; HttpOnly", "38afes7a8", "Set-Cookie: sid=…; Path=/; HttpOnly"),
    ("<user>bob</user><password>hunter2</password>", "hunter2", "<user>bob</user><password>…</password>"),
    ("<ns:password><![CDATA[hunter2]]></ns:password>", "hunter2", None),
    ('<add key="SmtpPassword" value="hunter2"/>', "hunter2", '<add key="SmtpPassword" value="…"/>'),
    ('<string name="api_key">abc123</string>', "abc123", '<string name="api_key">…</string>'),
    ("<key>api_token</key>\n<string>abc123</string>", "abc123", "<key>api_token</key>\n<string>…</string>"),
    ('{"name": "password", "value": "hunter2"}', "hunter2", '{"name": "password", "value": "…"}'),
    ('System.setProperty("API_TOKEN", "abc123")', "abc123", 'System.setProperty("API_TOKEN", "…")'),
    ("deploy --token abc123 --host h", "abc123", "deploy --token … --host h"),
    ("deploy --password=hunter2 --host h", "hunter2", "deploy --password=… --host h"),
    ("['deploy', '--password=hunter2']", "hunter2", "['deploy', '--password=…']"),
    ("curl -s -u bob:hunter2 https://h/x", "hunter2", "curl -s -u bob:… https://h/x"),
    ("mysqldump -uroot -phunter2 shop", "hunter2", "mysqldump -uroot -p… shop"),
    ("sshpass -p hunter2 ssh h", "hunter2", "sshpass -p … ssh h"),
    ("redis-cli -h h -a hunter2 ping", "hunter2", "redis-cli -h h -a … ping"),
    ("openssl rsa -passin pass:hunter2 -in k", "hunter2", "openssl rsa -passin pass:… -in k"),
    (
        "Server=h;User Id=sa;Password=hunter2;Initial Catalog=x",
        "hunter2",
        "Server=h;User Id=sa;Password=…;Initial Catalog=x",
    ),
    ("Driver={x};Pwd={a;b};Server=h", "a;b", None),
    ("host=h user=bob password=hunter2 dbname=x", "hunter2", "host=h user=bob password=… dbname=x"),
    (
        "AccountName=x;AccountKey=abcd1234==;EndpointSuffix=y",
        "abcd1234==",
        "AccountName=x;AccountKey=…;EndpointSuffix=y",
    ),
    ("jdbc:oracle:thin:scott/tiger@db:1521", "tiger", "jdbc:oracle:thin:scott/…@db:1521"),
    ("redis://:hunter2@cache:6379/0", "hunter2", "redis://:…@cache:6379/0"),
    ("postgresql://bob:p%40ss@db/x refused", "p%40ss", "postgresql://bob:…@db/x refused"),
    ("amqp://bob:pa/ss@mq/vhost", "pa/ss", "amqp://bob:…@mq/vhost"),
    (
        "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/2",
        "0123456789abcdef0123456789abcdef",
        "https://…@o1.ingest.sentry.io/2",
    ),
    ("https://hooks.slack.com/services/T01/B02/AbCdEf123456", "B02/AbCdEf123456", "https://hooks.slack.com/…"),
    (
        "POST https://discord.com/api/webhooks/1234567/AbCdEf-123456_AbCdEf-123456_x-AbCdEf-123456_AbCdEf-123456_x",
        "AbCdEf-123456_AbCdEf-123456_x-AbCdEf-123456_AbCdEf-123456_x",
        None,
    ),
    (
        "https://api.telegram.org/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe",
        "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        "https://api.telegram.org/bot…/getMe",
    ),
    (f"bad token {JWT} given", JWT, "bad token … given"),
    (
        f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n-----END RSA PRIVATE KEY-----",
        KEY,
        "-----BEGIN RSA PRIVATE KEY-----\n…\n-----END RSA PRIVATE KEY-----",
    ),
    (
        f"-----BEGIN PRIVATE KEY-----\\n{KEY}\\n-----END PRIVATE KEY-----",
        KEY,
        "-----BEGIN PRIVATE KEY-----\\n…\\n-----END PRIVATE KEY-----",
    ),
    (f"cut: -----BEGIN PRIVATE KEY-----\n{KEY}", KEY, "cut: -----BEGIN PRIVATE KEY-----\n…"),
    ("key: " + base64.b64encode(f"-----BEGIN PRIVATE KEY-----\n{KEY}".encode()).decode(), "LS0tLS1CRUdJTi", "key: …"),
    (
        "kind: Secret\ndata:\n  user: Ym9i\n  blob: |\n    aHVudGVyMg==\nmetadata:\n  name: db",
        "aHVudGVyMg==",
        "kind: Secret\ndata:\n  user: …\n  blob: |\n    …\nmetadata:\n  name: db",
    ),
    (
        '{"kind":"Secret","data":{"user":"Ym9i"},"type":"Opaque"}',
        "Ym9i",
        '{"kind":"Secret","data":{"user":"…"},"type":"Opaque"}',
    ),
    ("password: |\n  two words\n  more\nhost: h", "two words", "password: |\n  …\nhost: h"),
    (
        '{"kty": "EC", "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}',
        "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        '{"kty": "EC", "d": "…"}',
    ),
    ("[SQL: INSERT INTO users (name, password) VALUES (?, ?)]\n[parameters: ('bob', 'hunter2')]\n", "hunter2", None),
    (
        "1 error for C\npassword\n  Input should be int [type=int, input_value='hunter2', input_type=str]",
        "hunter2",
        None,
    ),
    ("the password is hunter2.", "hunter2", None),
    ("ALTER USER bob WITH PASSWORD 'hunter2';", "hunter2", "ALTER USER bob WITH PASSWORD '…';"),
    ("bob came in with password hunter2, from h", "hunter2", "bob came in with password …, from h"),
    ("Your verification code is 482913.", "482913", "Your verification code is …."),
    ("- name: API_TOKEN\n  value: abc123\n- name: HOST", "abc123", "- name: API_TOKEN\n  value: …\n- name: HOST"),
    ("FROM x\nENV API_KEY abc123\nRUN y", "abc123", "FROM x\nENV API_KEY …\nRUN y"),
    ("db.password=two words\ndb.host=h", "two words", "db.password=…\ndb.host=h"),
    ("code=4/P7q7W91a-oMsCeLvIaQm6bTrgtp7&state=x", "4/P7q7W91a-oMsCeLvIaQm6bTrgtp7", "code=…&state=x"),
    (
        "https://s3/x?X-Amz-Signature=fe5f80f77d5fa3beca03&y=1",
        "fe5f80f77d5fa3beca03",
        "https://s3/x?X-Amz-Signature=…&y=1",
    ),
    ("Authorization: token abcdef", "abcdef", "Authorization: token …"),
    ("password=$ecret123 host=h", "$ecret123", "password=… host=h"),
    ("password=%24ecret host=h", "%24ecret", "password=… host=h"),
    ("API key: abc-123-def", "abc-123-def", "API key: …"),
    ("Session ID: 38afes7a8", "38afes7a8", "Session ID: …"),
    ("abc8Q~defghijklmnopqrstuvwxyz0123456789. x", "defghijklmnopqrstuvwxyz", None),
    ("1477036645700765|wRPf2v3mt2JfMqCLK8n7oltrEmc", "wRPf2v3mt2JfMqCLK8n7oltrEmc", "…"),
    ("0123456789abcdef0123456789abcdef-us19", "0123456789abcdef0123456789abcdef", "…"),
    ("MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs", "ZnCjm1XVW7vRze4b7Cq4se7kKWs", "…"),
    ("BUNDLE_GEMS__EXAMPLE__COM=cafe:beef1234", "cafe:beef1234", "BUNDLE_GEMS__EXAMPLE__COM=…"),
]

KEPT = [
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "commit 0110bb1d273dbe848312d429326b844da9e86d93 merged",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
    "connect to 2a02:752:100:e::4002 or 10.0.0.1:8080 failed",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    '  File "/app/auth.py", line 12, in refresh_token\n    token = get_token(request)',
    "raise_for(auth.py:12, session.py:34) in token-service:8080",
    'sum(rate(http_requests_total{job="api-server",auth_method="basic"}[5m])) by (handler) > 0.5',
    "2026-01-02T10:11:12.123Z order 1042, invoice INV-1001: 12.50 EUR",
    "https://example.com/orders/1042?page=2&size=10#top",
    "https://grafana.example.com/d/abc?orgId=1&var-key=cpu&from=now-1h",
    "git clone ssh://git@github.com/org/repo.git and git@github.com:org/repo.git",
    "invalid token: expired; password: incorrect; session closed; auth: failed",
    "password must have 8 characters, the secret is not set, token count: 5",
    'token = "${TOKEN}" password: "{{ password }}" api_key=$API_KEY secret=<secret> key=%s',
    'api_key = "env:CASTBRICK_API_KEY"\npassword = "file:/run/secrets/db"',
    "self.token = settings.API_TOKEN; password = os.environ['DB_PASSWORD']",
    "def login(user: str, password: str, token: Optional[str] = None) -> Session:",
    "image: registry.example.com/auth-api:1.2.3",
    "Authorization: Bearer $TOKEN",
    "sig = hmac.new(key, body, hashlib.sha256)",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQsw\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "token SHA256 mismatch, key x509, password sha512 hashed, the token v2.1, secret rotation v12",
    "status code 404, exit code is 1, country code 244",
    "Session 12345 expired after 30 minutes; pass: 12, fail: 3; auth=ok; access=granted; cookies=enabled",
    "secretName: db-credentials\nsecretKeyRef: {name: db, key: password}",
    "The bearer of bad news; basic authentication is required",
    "tel +244923000000, card ending 4242, 4111 1111 1111 1111",
    "kind: ConfigMap\ndata:\n  color: blue",
    '"Accept", "Authorization", "Cookie", "Host"',
    '{"token_count": 12, "max_tokens": "4096", "key": "cpu", "author": "bob"}',
    "SK-1042 and sk-learn-contrib-package and key-value-store-engine are names",
]


@pytest.mark.parametrize(("text", "secret", "left"), MASKED)
def test_a_secret_in_a_text_is_masked_and_the_text_around_it_is_kept(text: str, secret: str, left: str | None) -> None:
    spans = Redactor().matches(text)
    masked = redact(text)
    assert secret not in masked
    if left is not None:
        shown, at = "", 0
        for span in spans:
            shown, at = shown + text[at : span.start] + "…", span.end
        assert shown + text[at:] == left


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text


def sample(tail: str) -> str:
    """A text that the pattern of a token's tail matches, built from the pattern itself."""
    import random
    import re._parser as parser  # type: ignore[import-not-found]  # the standard library's own, without stubs

    chance = random.Random(tail)

    def build(tree: object) -> str:
        out = ""
        for name, value in tree:  # type: ignore[attr-defined]  # as above
            kind = str(name)
            if kind == "LITERAL":
                out += chr(value)
            elif kind == "IN":
                chars = "".join(
                    chr(part[1]) if str(part[0]) == "LITERAL" else "".join(map(chr, range(part[1][0], part[1][1] + 1)))
                    for part in value
                )
                out += chance.choice([char for char in chars if char.isalnum()] or chars)
            elif kind == "MAX_REPEAT":
                least, most, inner = value
                out += "".join(build(inner) for _ in range(max(least, min(most, 20))))
            elif kind == "SUBPATTERN":
                out += build(value[3])
            elif kind == "BRANCH":
                out += build(value[1][0])
            else:
                raise AssertionError(kind)
        return out

    return build(parser.parse(tail))


TOKENS = [(vendor.name, prefix + sample(vendor.tail)) for vendor in vendors() for prefix in vendor.prefixes]


@pytest.mark.parametrize(("name", "token"), TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "got {}, sorry", "x={}\n", '"{}"', '"a\\n{}"', "https://h/x?y={}&z=1", "h%3D{}"]
)
def test_each_vendors_token_is_masked_wherever_a_text_has_it(name: str, token: str, around: str) -> None:
    text = around.format(token)
    masked = redact(text)
    assert token not in masked
    assert token[-12:] not in masked
    assert masked.startswith(around.split("{}", maxsplit=1)[0].rpartition("=")[0][:4])


TELLING = [
    prefix + sample(vendor.tail)
    for vendor in vendors()
    for prefix in vendor.prefixes
    if len(prefix) > 3 and not {".", "~"} & {*prefix}
]


@pytest.mark.parametrize("token", TELLING)
@pytest.mark.parametrize("before", ["job-", "run_7_", "--"])
def test_a_token_is_masked_behind_a_word_and_a_hyphen_where_its_prefix_tells(token: str, before: str) -> None:
    assert token[-12:] not in redact(f"deleted {before}{token}.")


@pytest.mark.parametrize(
    "text",
    ["my-lang-sk-translation-file-of-some-name", "backup_of_patient_list_2026_11_22", "a-b-api-gateway-service-1"],
)
def test_a_name_of_hyphened_words_is_no_token(text: str) -> None:
    assert redact(text) == text


def test_vendors_number_more_than_sixty_and_each_says_where_it_is_documented() -> None:
    assert len({vendor.name for vendor in vendors()}) > 60
    assert all("." in vendor.source or "npm" in vendor.source or "PyPI" in vendor.source for vendor in vendors())


@pytest.mark.parametrize("rule", [rule for rule in rules() if "…" not in rule.example], ids=lambda rule: rule.name)
def test_each_rules_own_example_is_masked_by_it(rule: object) -> None:
    name, example, default = rule.name, rule.example, rule.default  # type: ignore[attr-defined]  # a Rule
    if name == "azure-key":
        example = "a1B2" * 13 + "JQQJ99" + "C3d4" * 7
    redactor = Redactor() if default else Redactor(enabled_rules=[name])
    assert name in {match.rule for match in redactor.matches(example)}


def test_card_numbers_and_addresses_are_masked_only_where_the_policy_says_so() -> None:
    text = "4111 1111 1111 1111 of bob@example.com, order 4111 1111 1111 1112"
    assert redact(text) == text
    asked = Redactor(enabled_rules=["card-number", "email"])
    assert asked.text(text) == "[REDACTED:card-number] of [REDACTED:email], order 4111 1111 1111 1112"
