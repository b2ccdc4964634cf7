"""Whether what stands where a secret would stand is one: not a template, not a word of prose, not a piece of code."""

from __future__ import annotations

from typing import Final

from alert_core.redaction.engine import pattern

# What stands behind `token:` or `password =` in prose, code and schemas.
_WORDS: Final = frozenset(
    "a an the is are was were be been not no none null nil undefined nan true false yes on off empty "
    "missing required optional invalid valid expired expiring incorrect wrong bad failed failure failing "
    "fail error denied rejected refused unknown unset set unauthorized forbidden changed updated created "
    "deleted removed revoked rotated reset found given provided received sent used using use must should "
    "can cannot could may might will would has have had does do did for from in into of to and or with "
    "without by at as if when this that it its please enter your my our their his her new old same "
    "default disabled enabled active inactive ok done pending success successful succeeded mismatch match "
    "matches matched string str text int integer number boolean bool bytes object array list dict any "
    "char varchar password passwd secret token key value basic bearer digest oauth oauth2 jwt saml ldap "
    "hidden masked redacted filtered secure plain plaintext encrypted n/a na tbd todo example placeholder "
    "type name description public private only too all never always click check see verify validate "
    "refresh login log sign expires expire got unexpected expected unless until after before closed "
    "opened started stopped ended session cookie auth file env vault kms kubernetes local remote manual "
    "automatic optional[str] secretstr &str std::string self async await function lambda return new".split()
)
_CODE_ROOTS: Final = frozenset(
    "self this os process env settings config conf cfg args kwargs request req response res ctx context "
    "options opts params app data var vars local module secrets github inputs steps needs values user "
    "credentials current_app import builtins std props state session event payload body headers cls super "
    "node object obj".split()
)
_PLACEHOLDER: Final = (
    r"\$(?:[A-Z_][A-Z0-9_]*|[A-Za-z_]+)(?:(?:->|::|[\[.:;,)(}\]\"'/ ])[^\n]*)?|\$[{(\[$][^\n]*|\$[0-9]{1,2}[;,)]?|"
    r"%[a-z]|%\([^\n]*|%[A-Z_]+%|\{\{[^\n]*|\{[A-Za-z_][\w.]*\}|#\{[^\n]*|<[^<>\n]*>|&lt;[^\n]*|\[[A-Za-z_ ]+\]|"
    r"[*.xX_\-?#•…]+|\\[nrt]|(?:env|file):[A-Za-z_./-][\w./-]*|arn:aws[^\n]*|\[REDACTED[^\[\]]{0,80}\][,;.)]?|"
    r"[\w-]{0,64}(?:your|YOUR|Your|INSERT|REPLACE|CHANGE)[_-][\w-]{0,64}|(?i:change_?me|replace_?me)"
)


def is_placeholder(value: str) -> bool:
    """A template, a mask, a reference or a marker: `${PASS}`, `{{ token }}`, `<password>`, `%s`, `***`, `env:NAME`."""
    return pattern(_PLACEHOLDER).fullmatch(value) is not None


def is_word(value: str) -> bool:
    """A word of prose or a type, not a value."""
    return not value or value.strip(".,;:!?\"'()[]{}").lower() in _WORDS


def is_code(value: str) -> bool:
    """A reference or a call in code: `self.token`, `os.environ[...]`, `get_token(...)`."""
    if pattern(r"[A-Za-z_][\w.]*[(\[{][^\n]*|[^\w\n]*|-?[0-9]{1,2}[^\w\n]*|\([^\n]*").fullmatch(value):
        return True
    if "." in value and pattern(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+[,;:)]*").fullmatch(value):
        return value.split(".", 1)[0].lower() in _CODE_ROOTS
    return False


def is_empty_form(value: str) -> bool:
    """A format string that has little beside its fields: `Bearer {token}`."""
    bare = pattern(r"\{[A-Za-z_][^{};]{0,64}\}").sub("", value)
    return bare != value and not is_opaque(bare)


def is_plain(value: str) -> bool:
    """A short word, a small number, a version, a path or a plain URL: no secret under a name that is often innocent."""
    return (
        pattern(
            r"[A-Za-z]?[a-z]{1,11}|[A-Z]{1,11}|[0-9]{1,5}|v?[0-9]{1,4}(?:[.-][0-9]{1,4}){1,3}[\w.-]{0,12}|https?://[^\n]*|"
            r"\.{0,2}/[\w.-]+/[\w./-]*|[a-z]{2,12}(?:[-_][a-z]{2,12}){1,3}|[A-Za-z_]+(?:\.[A-Za-z_]+)+"
        ).fullmatch(value)
        is not None
    )


def is_opaque(value: str, least: int = 8) -> bool:
    """Whether a value looks made by a machine: long enough, with digits among letters, or with cases mixed in words."""
    if len(value) < least:
        return False
    if pattern(r"[0-9]").search(value):
        return pattern(r"[A-Za-z]").search(value) is not None or len(value) >= least + 4
    return pattern(r"[a-z][A-Z]+[a-z]").search(value) is not None and len(value) >= least + 8
