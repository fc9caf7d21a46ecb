"""Encrypted values of a configuration, with the key file that Fivetran's own command uses (rule A-123)."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import ConfigurationError
from headwater.whole_file import remove_halves, write_new

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "fivetran_encrypted:"
NONCE_BYTES = 12
KEY_BYTES = 32
_ASK_AGAIN = "Enter the values again with `headwater configuration`."


def key_file() -> Path:
    return Path.home() / ".fivetran" / "connector_sdk" / "config_encryption_key"


def is_encrypted(value: str) -> bool:
    return value.startswith(PREFIX)


def encrypt(field: str, value: str) -> str:
    """Encrypt the value of a field, for that field only; the key is made where there is none.

    Errors: ConfigurationError when the key cannot be read or made.
    """
    nonce = os.urandom(NONCE_BYTES)
    sealed = _cipher(_key() or _new_key()).encrypt(nonce, value.encode(), field.encode())
    return PREFIX + base64.b64encode(nonce + sealed).decode()


def decrypt(field: str, value: str) -> str:
    """Decrypt the value of a field.

    Errors: ConfigurationError when the key is missing, or this is not its work.
    """
    key = _key()
    if key is None:
        raise ConfigurationError(f"{field} is encrypted, and the key is missing: {key_file()}", hint=_ASK_AGAIN)
    cipher = _cipher(key)
    from cryptography.exceptions import InvalidTag

    try:
        sealed = base64.b64decode(value.removeprefix(PREFIX), validate=True)
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], field.encode()).decode()
    except (ValueError, InvalidTag) as error:
        raise ConfigurationError(
            f"{field} cannot be decrypted: it was encrypted with another key or for another field, or is damaged",
            hint=_ASK_AGAIN,
        ) from error


def _cipher(key: bytes) -> AESGCM:
    try:
        # Late: it costs start-up time, and most configurations need none of it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigurationError(
            "encrypted values need a package that is not installed", hint="Install it: pip install cryptography."
        ) from error
    return AESGCM(key)


def _key() -> bytes | None:
    path = key_file()
    try:
        text = path.read_text(encoding="ascii").strip()
        key = base64.b64decode(text, validate=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the key in {path} cannot be read", hint=_ASK_AGAIN) from error
    if not text:
        return None
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"the key in {path} has {len(key)} bytes, not {KEY_BYTES}", hint=_ASK_AGAIN)
    return key


def _new_key() -> bytes:
    path = key_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_halves(path)
    key = os.urandom(KEY_BYTES)
    if path.exists() and not path.read_bytes().strip():  # what a command that was killed here has left
        path.unlink(missing_ok=True)
    # Unless there is one: a key that another command makes at the same time must not be lost.
    write_new(path, base64.b64encode(key).decode(), private=True)
    return key
