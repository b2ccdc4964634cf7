"""Which names promise a secret. One decision serves mappings, pairs, headers, query strings, and names in text."""

from __future__ import annotations

import functools
import itertools
import re
from typing import Final

# A name with one of these words is sensitive, unless its last word is a veto.
_STRONG: Final = frozenset(
    "password passwd passwort passphrase passcode passw passwords pwd psw kennwort senha contrase "
    "contrasena secret secrets credential credentials creds cred apikey apikeys pkey psk privatekey "
    "sshkey dsn token jwt csrf xsrf hmac".split()
)
_WEAK: Final = frozenset(
    "authorization auth oauth authentication cookie cookies otp totp bearer sessionid sessid salt mfa".split()
)
# Sensitive only as the last word, and not after these: `user_session`, but `session_leader`, `account_sid`.
_LAST: Final = {
    "session": frozenset[str](),
    "sessions": frozenset({"active", "open", "user", "total", "concurrent", "current"}),
    "pass": frozenset("first second boarding render multi test single all low high band tests".split()),
    "pin": frozenset("gpio led map input output data io digital analog".split()),
    "sid": frozenset(
        "account message messaging call service conference recording parent application app subaccount oracle "
        "object domain process thread group security binding room participant workspace".split()
    ),
}
_ALONE: Final = frozenset({"access", "refresh", "sig"})  # `{"access": …, "refresh": …}`
# Glued words: `authtoken`, `irissessionid`, `dbpassword`.
_ENDINGS: Final = tuple(
    "password passwd passphrase passcode passwort secret token apikey authkey accesskey privatekey "
    "secretkey sessionid credentials credential cookie pwd sessid sid userkey providerkey masterkey "
    "clientkey signingkey encryptionkey apisecret sessionkey accountkey sharedkey servicekey serverkey "
    "licensekey dbpass userpass smtppass mailpass adminpass rootpass oauth aspxauth".split()
)
_GLUED: Final = ("password", "passwd", "apikey", "privatekey", "accesstoken", "authtoken", "clientsecret", "secretkey")
_PLAIN: Final = frozenset("inside outside beside aside reside subside president preside upside bedside sysid".split())
# What makes `key` a credential when it stands before it.
_KEYS: Final = frozenset(
    "api private access secret client master service integration encryption decryption encrypt decrypt "
    "signing sign ssh account shared auth user provider license app application webhook storage session "
    "consumer subscription instrumentation write ingest ingestion insert rsa server hmac aes crypto "
    "recovery admin root bot deploy deployment security customer developer dev live test production push "
    "vapid fcm maps google aws azure stripe sendgrid openai anthropic pagerduty datadog algolia twilio "
    "mailgun cloudflare tls ssl gpg pgp ec dsa ed25519 wep wpa wifi verification activation sas sts jwt "
    "jws cipher stream device preshared vault rest management pem signature heroku snyk hubspot mailchimp "
    "newrelic sentry slack github gitlab shodan okta zendesk typeform linear supabase firebase airtable "
    "notion dropbox figma braintree paypal square plaid coinbase binance kraken infura alchemy etherscan".split()
)
_PAIRS: Final = frozenset(
    {
        *(("session", word) for word in ("id", "identifier", "data")),
        *(
            (word, "code")
            for word in ("pin", "security", "verification", "recovery", "backup", "access", "auth", "otp")
        ),
        *((word, "codes") for word in ("recovery", "backup")),
        *(("pass", word) for word in ("phrase", "word", "code")),
        *((word, "phrase") for word in ("seed", "recovery", "secret")),
        ("secret", "id"),
        ("two", "factor"),
        ("service", "account"),
        ("security", "answer"),
        ("shared", "access"),
        ("palavra", "passe"),
        ("de", "passe"),
        ("routing", "key"),
        ("amz", "signature"),
        ("goog", "signature"),
    }
)
# The last word says that the value is no secret: a measure, a place, a kind, a happening.
_VETO: Final = frozenset(
    "count counts counter type types limit limits length len size sizes duration interval intervals "
    "expires expiry expired expiration expire name names id ids uuid url urls uri uris arn arns policy "
    "policies ttl age max min scheme schemes source sources user username users identity endpoint "
    "endpoints status state enabled disabled required optional valid invalid version versions path paths "
    "file filename filenames files alias aliases field fields usage used total rate timeout at time times "
    "timestamp date created updated format algorithm algorithms alg method methods mode provider "
    "providers issuer audience scope scopes leader index position error errors failure failures failed "
    "attempts strength level role roles host hosts hostname port domain region label labels title "
    "description flow server manager ref supported present exists location class kind category pid digits "
    "bits rotation usages budget per backend backends middleware handler handlers service services prefix "
    "suffix column columns placeholder regex pattern template callback redirect permission permissions "
    "group groups email reason message messages context lifetime window period day days minutes seconds "
    "ms hours requests change changed reset display property properties attribute attributes option "
    "options config configuration settings setting validator validators rules rule generator store "
    "storage stores entropy remaining consumed percent ratio latency cost price owner tokenizer parser "
    "model encoding realm result results outcome event events action actions step stage success decision "
    "consent banner samesite secure httponly bucket gauge metric metrics quota weight score probability "
    "logprobs balance supply symbol decimals contract network chain review check checks page screen form "
    "button hint help module package library factory guard ring complexity quality requirements history "
    "lockout threshold by via sock socket agent py js ts go rb java php rs cpp html css json yaml yml "
    "toml xml log txt md sh tsx jsx kt fingerprint thumbprint notification notifications request response "
    "link view controller allowed denied granted protected verified confirmed last next app apps api apis "
    "zone map space plugin client clients".split()
)
_NEVER_FIRST: Final = frozenset(
    "has is no num number max min use uses enable enabled disable requires require missing invalid total "
    "average avg".split()
)
_TOKENS: Final = frozenset("access refresh auth api bearer session csrf id user bot device oauth push".split())
_OTHER_SCRIPTS: Final = frozenset({"пароль", "密码", "パスワード", "암호", "contraseña"})
_LONGEST: Final = 256


@functools.cache
def _word() -> re.Pattern[str]:
    return re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(key: str) -> list[str]:
    """Split a name at case changes, digits and punctuation, in lower case: `X-ApiKey2` is x, api, key, 2."""
    if not key.isascii():
        import unicodedata

        key = unicodedata.normalize("NFKC", key[:_LONGEST])
    return [word.lower() for word in _word().findall(key[:_LONGEST])]


@functools.lru_cache(maxsize=4096)
def is_sensitive(key: str) -> bool:  # noqa: PLR0911 - one answer a line of the judgement
    """Whether a value under this name is a secret, by the built-in rules. Only the first 256 characters count."""
    parts = words(key)
    while len(parts) > 1 and (parts[-1].isdigit() or len(parts[-1]) == 1):
        parts.pop()
    if not key.isascii() and key.casefold() in _OTHER_SCRIPTS:
        return True
    if not parts:
        return False
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if (before, last) in _PAIRS:
        return (before, last) != ("routing", "key") or len(parts) == len(("routing", "key"))
    if last in _VETO or (before and parts[0] in _NEVER_FIRST):
        return last == "json" and _anywhere(parts[:-1])
    if last in _LAST:
        return before not in _LAST[last]
    if last == "tokens":
        return before in _TOKENS
    if "public" in parts:
        return any(part in {"password", "secret"} for part in parts)
    return (last in _ALONE and not before) or _anywhere(parts)


def is_weak(name: str) -> bool:
    """Whether a sensitive name also occurs with innocent values: `session`, `auth`, `token.info`."""
    parts = [word for word in words(name) if not word.isdigit()]
    return not any(_is_strong(part) for part in parts if part != "token" or part == parts[-1]) and parts[-1:] != ["key"]


def _anywhere(parts: list[str]) -> bool:
    return any(part in _WEAK or _is_strong(part) for part in parts) or any(
        pair in _PAIRS or (pair[1] in {"key", "keys"} and pair[0] in _KEYS) for pair in itertools.pairwise(parts)
    )


def _is_strong(word: str) -> bool:
    if word in _STRONG:
        return True
    if word in _PLAIN or word in _WEAK:
        return False
    return word.endswith(_ENDINGS) or any(part in word for part in _GLUED)
