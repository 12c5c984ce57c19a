"""The secret key from which pseudonyms are made: drawn at random once, and kept where only its owner can read it."""

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from tutormax_cli.errors import UsageError
from tutormax_cli.files.whole import TargetExists, write_whole

FILE_NAME = "pseudonym.key"
_KEY_BYTES = 32
_SHORTEST_KEY = 16
_LONGEST_FILE = 1 << 16
_HINT = "name a key file: --key-file FILE, or another folder in TUTORMAX_HOME"
_BLOCK = 64
"""Bytes of the block that SHA-256 works on, to which HMAC (RFC 2104) pads its key."""


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """A secret key and the file that it is from; `new` says that it was made just now."""

    secret: bytes
    path: Path
    new: bool = False

    @property
    def fingerprint(self) -> str:
        """A few digits by which people see that two exports were made with the same key."""
        return hashlib.sha256(b"fingerprint:" + self.secret).hexdigest()[:8]

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The key's inner and outer pad: HMAC-SHA256(key, text) = SHA-256(outer + SHA-256(inner + text))."""
        key = self.secret if len(self.secret) <= _BLOCK else hashlib.sha256(self.secret).digest()
        padded = key.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)

    def __repr__(self) -> str:
        return f"PseudonymKey({self.path}, {self.fingerprint})"


def read_key(path: Path) -> PseudonymKey:
    """Read a key file. Raises UsageError where it is missing, readable by others, or too short to be a secret."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(_LONGEST_FILE).strip()
    except FileNotFoundError:
        hint = f"make one: (umask 077; head -c {_KEY_BYTES} /dev/urandom | base64 > {path})"
        raise UsageError(f"there is no key file {path}", hint) from None
    except OSError as problem:
        raise UsageError(f"can't read the key file {path}: {problem.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"others can read the key file {path}", f"chmod 600 {path}")
    if len(secret) < _SHORTEST_KEY:
        raise UsageError(
            f"the key in {path} has {len(secret)} bytes, fewer than {_SHORTEST_KEY}", "draw a longer one at random"
        )
    return PseudonymKey(secret, path)


def own_key(home: Path) -> PseudonymKey:
    """Read the key kept in the user data folder; the first time draw one. Raises UsageError."""
    path = home / FILE_NAME
    if path.exists():
        return read_key(path)
    try:
        # Root's folder has to let pass the account that runs the embedded server.
        home.mkdir(mode=0o700 if os.geteuid() else 0o755, parents=True, exist_ok=True)
        new = _keep(secrets.token_hex(_KEY_BYTES).encode(), path)
    except OSError as problem:
        raise UsageError(f"can't keep a key in {problem.filename or home}: {problem.strerror}", _HINT) from None
    key = read_key(path)
    return PseudonymKey(key.secret, path, new)


def _keep(secret: bytes, path: Path) -> bool:
    """Write a key file unless another process was quicker; return whether it is ours."""
    try:
        write_whole(path, secret.decode() + "\n", private=True, replace=False, hint=_HINT)
    except TargetExists:
        return False
    return True
