"""Names: which promise a secret, and which only sound so."""

import pytest

from alert_core.redaction import REDACTED, redact

SENSITIVE = """
password token secret api_key authorization cookie session csrf access refresh private_key apiKey privateKey
clientSecret AWS_SECRET_ACCESS_KEY DB_PASSWORD DB_PASS dbPass PGPASSWORD MYSQL_PWD X-Api-Key Proxy-Authorization
Set-Cookie JSESSIONID PHPSESSID connect.sid session_id sessionId access_token refreshToken id_token stripe_secret
slack_token webhook_secret signing_secret encryption_key SECRET_KEY SECRET_KEY_BASE jwt_secret otp totp_secret
passphrase pin user_pin passcode credentials service_account_key smtp_password mailPassword sentry_dsn
x-amz-security-token X-Vault-Token x-csrf-token csrfmiddlewaretoken authenticity_token accessKey secretAccessKey
account_key SharedAccessKey hashed_password password_hash old_password password2 passwordConfirmation
oauth_token_secret rsa_private_key license_key telegram_bot_token senha contraseña пароль 密码 recovery_codes
security_answer access_tokens remember_token client-key-data token_2 authtoken
""".split()

INNOCENT = """
token_count access_count session_duration refresh_interval max_tokens total_tokens prompt_tokens tokens public_key
author authority tokenizer keyboard monkey secretary passenger compass bypass passport passed pass_count
cookie_consent cookie_policy session_timeout auth_method password_policy password_changed_at key_id foreign_key
partition_key access_log access_level accessibility secret_name secret_arn token_type token_url token_expires_at
has_password is_secret authenticated authorized credential_type cookie_domain csrf_enabled private_ip client_id
api_version api_key_name api_key_id salt_length auth_failures refresh_rate access_time accessed_at last_access
primary_key sort_key cache_key dedup_key idempotency_key s3_key sequence_key key keys username user_id account_sid
request_id trace_id correlation_id authorization_endpoint token_endpoint password_length session_leader
secret_version keyspace webhook_url assignment inside outside sidecar password_reset_url cookie_name
messaging.kafka.message.key enduser.id refreshed_at
""".split()


@pytest.mark.parametrize("key", SENSITIVE)
def test_the_value_under_a_sensitive_name_is_masked_whole(key: str) -> None:
    assert redact({key: "Zq7-plain-value"}) == {key: REDACTED}


@pytest.mark.parametrize("key", INNOCENT)
def test_the_value_under_a_name_that_only_sounds_sensitive_is_kept(key: str) -> None:
    assert redact({key: "plain value"}) == {key: "plain value"}


def test_absent_empty_and_boolean_values_of_a_sensitive_name_are_kept_since_they_say_nothing() -> None:
    document = {"password": None, "token": "", "basic_auth": False}
    assert redact(document) == document


def test_numbers_and_containers_under_a_sensitive_name_are_masked_too() -> None:
    assert redact({"pin": 1234, "credentials": {"user": "bob", "pass": "x"}, "tokens": 512}) == {
        "pin": REDACTED,
        "credentials": REDACTED,
        "tokens": 512,
    }


def test_a_name_in_wide_letters_is_the_same_name() -> None:
    wide = "".join(chr(ord(char) + 0xFEE0) for char in "password")
    assert redact({wide: "hunter2"}) == {wide: REDACTED}


@pytest.mark.parametrize("pairs", [[("password", "x1"), ("host", "h")], [["password", "x1"], ["host", "h"]]])
def test_a_list_of_pairs_is_judged_by_their_names(pairs: list[object]) -> None:
    assert redact(pairs) == [["password", REDACTED], ["host", "h"]]


def test_raw_header_pairs_in_bytes_are_judged_by_their_names() -> None:
    assert redact([(b"Authorization", b"opaque"), (b"Host", b"h")]) == [["Authorization", REDACTED], ["Host", "h"]]


def test_a_record_of_name_and_value_is_judged_by_its_name() -> None:
    assert redact({"env": [{"name": "DB_PASSWORD", "value": "x1"}, {"name": "HOME", "value": "/root"}]}) == {
        "env": [{"name": "DB_PASSWORD", "value": REDACTED}, {"name": "HOME", "value": "/root"}]
    }


def test_the_argument_after_a_sensitive_flag_is_masked() -> None:
    assert redact(["deploy", "--token", "x1y2z3", "--host", "h"]) == ["deploy", "--token", REDACTED, "--host", "h"]


def test_a_kubernetes_secret_and_a_json_web_key_are_known_by_their_shape() -> None:
    assert redact({"kind": "Secret", "metadata": {"name": "db"}, "data": {"user": "Ym9i"}}) == {
        "kind": "Secret",
        "metadata": {"name": "db"},
        "data": {"user": REDACTED},
    }
    assert redact({"kty": "EC", "crv": "P-256", "d": "870MB6gf"}) == {"kty": "EC", "crv": "P-256", "d": REDACTED}


def test_cookies_keep_their_names_and_the_innocent_ones() -> None:
    assert redact({"cookies": "theme=dark; sessionid=38afes7a8"}) == {
        "cookies": "theme=dark; sessionid=[REDACTED:cookie]"
    }
    assert redact({"cookies": {"theme": "dark", "sessionid": "38afes7a8"}}) == {
        "cookies": {"theme": "dark", "sessionid": REDACTED}
    }


def test_a_secret_inside_a_key_is_masked_and_keys_that_become_one_stay_apart() -> None:
    first, second = "ghp_" + "a1B2" * 9, "ghp_" + "c3D4" * 9
    assert redact({first: 1, second: 2}) == {"[REDACTED:vendor-token]": 1, "[REDACTED:vendor-token] (2)": 2}
