"""Passwords: one per user, each in a file of its own that only its owner can read, and the key of a replica set."""

import secrets
from dataclasses import dataclass
from pathlib import Path

_BYTES = 24
_KEY_BYTES = 32


def make_key() -> str:
    """A key for a MongoDB replica set's key file, which is also `__system`'s password."""
    return secrets.token_hex(_KEY_BYTES)


@dataclass(frozen=True, slots=True)
class PasswordFolder:
    """A folder with one file per user; what is missing is made."""

    folder: Path

    def password(self, user: str) -> str:
        """Return the password of `user`: what its file says, or a new one, then written there."""
        file = self.folder / user
        if not file.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(_BYTES) + "\n")
        found = file.read_text().strip()
        if not found:
            raise ValueError(f"{file} is empty; write a password into it, or remove it to have one made")
        return found
