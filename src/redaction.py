"""Secrets stay out of logs, records, reports, answers and identities: what counts as one, and how it is masked.

All that is stored, shown, logged or served passes `redact` (YAML-like data) or `masked` (text). A secret is known by
the name of its setting, by its shape, or because this process was given it (`remember`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

REDACTED = "***"
SHORTEST_SECRET = 6
SHORTEST_FOREIGN = 8
"""Characters of what is looked for within texts, under a secret name and from the environment: shorter values would be
found in the middle of innocent words."""

_SECRET_WORDS = frozenset([
    "apikey", "accesskey", "secretkey", "privatekey", "auth", "authentication", "authorization", "bearer",
    "connection", "cookie", "cookies", "cred", "creds", "credential", "credentials", "dsn", "jwt", "otp",
    "pass", "passcode", "passphrase", "passwd", "password", "passwords", "pat", "pwd", "pw", "sas", "secret",
    "secrets", "token", "oauth", "sig", "signature", "passkey", "pem", "pin",
])  # fmt: skip
_WORDS_OF_SENTENCES = frozenset(
    {"auth", "authentication", "connection", "cookie", "cookies", "pass", "pat", "sas", "token"}
)
_OPEN_KEYS = frozenset([
    "cache", "category", "column", "config", "dict", "edit", "field", "foreign", "group", "image", "index",
    "kv", "label", "map", "primary", "prompt", "query", "run", "sample", "sort", "source", "state", "target",
    "text", "value", "verdict",
])  # fmt: skip
"""Before `key`: what names no key of a lock."""
_OWNERS_OF_KEYS = frozenset([
    "access", "account", "api", "auth", "openai", "private", "secret", "signing", "subscription",
])  # fmt: skip
_OWNERS_OF_TOKENS = frozenset([
    "access", "api", "auth", "bearer", "hf", "hub", "id", "oauth", "refresh", "secret", "session",
])  # fmt: skip
_HOLDERS = frozenset([
    "value", "values", "string", "header", "headers", "text", "json", "pem", "base", "prod", "production", "dev",
    "test", "staging", "live", "main", "default", "old", "new", "primary", "secondary", "backup",
])  # fmt: skip
_HEADERS = frozenset({"header", "headers", "hdrs"})
_OPEN_ENDS = frozenset({"env", "file", "path", "name", "names", "variable", "url", "length", "id", "type"})
"""What a name ends in that says where a secret is, or something about it."""
_STRONG = re.compile(r"secret|password|passwd|passphrase|credential|apikey|privatekey|accesskey")
"""Within a word of a name, wherever that word stands."""
_RUN_TOGETHER = re.compile(r"\w+token|(?:user|db|pg|my|admin|root)pass|(?:openai|hf|auth|access|api)key")
_OPEN_HEADERS = frozenset({"accept", "content-type", "user-agent", "accept-encoding", "accept-language", "connection"})
_PUBLIC_SETTINGS = frozenset({"model", "model_name", "class_path", "revision", "device", "dtype", "data_path"})

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_USER_IN_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@'\"]+@")
_ASSIGNED = re.compile(r"""(["']?)([\w.-]{2,40})\1(\s*[:=]\s*)(["']?)([^\s"',;&}{\]\[]{4,})""")
_PASSWORD_IN_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@'\"]*:([^/\s@'\"]+)@")
_QUERY = re.compile(r"([?&])([\w.-]{2,40})=[^&\s#'\"]+")
_SCHEME = re.compile(
    r"\b(?:(bearer|basic)(\s+)(?=[A-Za-z+/._~-]*[0-9=])[A-Za-z0-9+/=._~-]{5,}|(bearer)(\s+)[A-Za-z+/._~-]{12,})",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"(\bauthorization[\"']?\s*[:=]\s*[\"']?)(?:(?:bearer|basic|token)\s+)?[^\s\"',;}\]]+", re.IGNORECASE
)
_USER_OPTION = re.compile(r"((?:^|\s)(?:-u|--user)[\s=]+)[^\s:]+:\S+")
_SHAPES = re.compile(
    r"\b(?:sk|rk|pk)-[\w-]{16,}|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bA(?:KIA|SIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bxox[abeprs]-[\w-]{10,}|\bnvapi-[\w-]{20,}|\br8_\w{30,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
_OPAQUE = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=(?:.*[0-9]){3})[A-Za-z0-9_+=~-]{32,}")
"""A whole value of this form is taken for a credential: no path, no words, no hexadecimal digest."""
_CREDENTIAL = re.compile(r"(?:(?:proxy-)?authorization[\"']?\s*[:=]\s*)?(?:bearer|basic|token)\s+\S+", re.IGNORECASE)
"""A whole value of this form is one; in a sentence the words stand for anything."""
_SHORT_KEY = re.compile(r"\b(?:sk|rk|pk)-(?=[\w-]*\d)[\w-]{6,}|\bhf_(?=\w*\d)\w{6,}")
_SWITCHES = frozenset({"", "0", "1", "true", "false", "yes", "no", "on", "off", "none"})
_NUMBER = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?", re.IGNORECASE)

_remembered: set[str] = set()
"""Found anywhere in a text."""
_whole: set[str] = set()
"""Found where they are all of a value."""


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret.

    `api_key`, `x-api-key`, `accessToken`, `pwd`, `openai_key` … do; `max_new_tokens`, `api_key_env`, `sort_key` do not.
    """
    words = [word.rstrip("0123456789") or word for word in _words(name)]
    while len(words) > 1 and (words[-1] in _HOLDERS or words[-1].isdigit() or words[-1] == "v"):
        words.pop()
    if not words:
        return False
    if words[-1] not in _OPEN_ENDS and any(map(_STRONG.search, words)):
        return True
    if _RUN_TOGETHER.fullmatch(words[-1]):
        return True
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in ("key", "keys"):
        return before not in _OPEN_KEYS and (last == "key" or bool(before))
    return last in _SECRET_WORDS or (last == "tokens" and before in _OWNERS_OF_TOKENS)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD_BREAK.split(name) if word]


def remember(value: str, shortest: int = SHORTEST_SECRET) -> None:
    """Lets `masked` find this secret wherever it turns up; a shorter one is masked only where it is a whole value.

    What a switch says (`1`, `false` …) is masked under its own name alone: else `version: "1"` were masked everywhere.
    """
    if len(value) >= shortest:
        _remembered.add(value)
    elif value.strip().lower() not in _SWITCHES:
        _whole.add(value)


def remember_environment(setting: str, value: str) -> None:
    """Remembers what an environment variable gave to a setting, unless it shows itself to be no secret.

    Numbers, paths, addresses without credentials, and the names of models and devices are shown.

    Args:
        setting: Name of the setting that the value went to.
        value: Of the variable.
    """
    is_open = (
        setting in _PUBLIC_SETTINGS
        or (_NUMBER.fullmatch(value) and len(value) < SHORTEST_SECRET)
        or value.startswith(("/", "./", "~"))
        or (value.startswith(("http://", "https://")) and _without_shapes(value) == value)
    )
    if not is_open:
        remember(value, SHORTEST_FOREIGN)


def remember_secrets(value: Any) -> None:
    """Remembers every secret in YAML-like data, and those in the environment of this process."""
    for secret in _secrets(value):
        remember(secret)
    for name, held in os.environ.items():
        if is_secret(name):
            remember_environment(name, held)


def _secrets(value: Any) -> Iterator[str]:
    """Texts under secret names or in headers, and passwords in addresses."""
    if isinstance(value, str):
        yield from _PASSWORD_IN_URL.findall(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if is_secret(str(key)):
                yield from _leaves(item)
            elif _names_headers(str(key)) and isinstance(item, Mapping):
                yield from (str(text) for name, text in item.items() if str(name).lower() not in _OPEN_HEADERS)
            else:
                yield from _secrets(item)


def _leaves(value: Any) -> Iterator[str]:
    """Yields every text or number of which a secret may consist; a boolean is none."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _names_headers(name: str) -> bool:
    words = _words(name)
    return bool(words) and words[-1] in _HEADERS


def redact(value: Any) -> Any:
    """A deep copy of YAML-like data in which every secret is replaced by `***`."""
    return _replaced(value, lambda secret: REDACTED)


def fingerprints(value: Any) -> Any:
    """Redacts to `***` and a hash: different secrets stay different, and none can be read or looked up."""
    return _replaced(value, lambda secret: f"{REDACTED}{_hash(str(secret))}")


@functools.lru_cache(256)
def _hash(secret: str) -> str:
    """Slow on purpose: guesses of a short secret are to cost something."""
    return hashlib.scrypt(secret.encode(errors="replace"), salt=b"editloop identity", n=2**14, r=8, p=1, dklen=6).hex()


def _replaced(value: Any, mask: Any) -> Any:
    if isinstance(value, Mapping):
        return {_masked_key(key): _masked_item(str(key), item, value, mask) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, mask) for item in value]
    if isinstance(value, str):
        if value in _whole or _OPAQUE.fullmatch(value):
            return mask(value)
        open_part = masked(value)
        return value if open_part == value else open_part + str(mask(value)).removeprefix(REDACTED)
    return value


def _masked_key(key: Any) -> Any:
    return masked(key) if isinstance(key, str) else key


def _masked_item(key: str, item: Any, holder: Mapping[Any, Any], mask: Any) -> Any:
    pair = str(holder.get("name") or holder.get("key") or "")  # {name: Authorization, value: …}
    is_paired = key.lower() == "value" and is_secret(pair)
    if (is_secret(key) or is_paired) and item and not isinstance(item, bool):
        return mask(item)
    if _names_headers(key) and isinstance(item, Mapping):
        return {
            name: _replaced(text, mask) if str(name).lower() in _OPEN_HEADERS or not text else mask(text)
            for name, text in item.items()
        }
    return _replaced(item, mask)


def secret_names(value: Any, name: str = "") -> Iterator[str]:
    """Yields the names under which YAML-like data holds what may be a secret, for places where none may be.

    This is stricter than `redact`, which must leave sentences legible; a switch (`1`, `false` …) is no secret,
    whatever its name.

    Args:
        value: The data.
        name: Under which it stands itself.
    """
    if isinstance(value, Mapping):
        shown = _replaced(value, lambda secret: REDACTED)
        for key, item in value.items():
            if masked(str(key)) != str(key):
                yield masked(str(key))
            elif isinstance(item, Mapping | list | tuple) and not is_secret(str(key)) and not _names_headers(str(key)):
                yield from secret_names(item, str(key))
            elif (shown[key] != item or _is_credential(item)) and str(item).strip().lower() not in _SWITCHES:
                yield str(key)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_names(item, name)
    elif redact(value) != value or _is_credential(value):
        yield name


def _is_credential(value: Any) -> bool:
    return isinstance(value, str) and bool(_CREDENTIAL.fullmatch(value.strip()) or _SHORT_KEY.search(value))


def masked(text: str) -> str:
    """The text without secrets: remembered ones, credentials in addresses, and what has the shape of a key."""
    return _without_shapes(withheld(text))


def withheld(text: str) -> str:
    """The text without remembered secrets, and else as it is: for replies and instructions, which are evidence."""
    for secret in sorted(_remembered, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def _without_shapes(text: str) -> str:
    text = _USER_IN_URL.sub(rf"\1{REDACTED}@", text)
    text = _QUERY.sub(lambda part: f"{part[1]}{part[2]}={REDACTED}" if is_secret(part[2]) else part[0], text)
    text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
    text = _USER_OPTION.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(lambda part: f"{part[1] or part[3]} {REDACTED}", text)
    text = _SHAPES.sub(REDACTED, text)
    return _ASSIGNED.sub(_masked_assignment, text)


def _masked_assignment(match: re.Match[str]) -> str:
    quote, name, sign, opening, _ = match.groups()
    words = _words(name)
    # In a sentence "key: value" and "pass: name" are said of anything.
    owned = words[-1:] != ["key"] or (len(words) > 1 and words[-2] in _OWNERS_OF_KEYS)
    owned = owned and not (len(words) == 1 and words[0] in _WORDS_OF_SENTENCES)
    return f"{quote}{name}{quote}{sign}{opening}{REDACTED}" if owned and is_secret(name) else match.group()
