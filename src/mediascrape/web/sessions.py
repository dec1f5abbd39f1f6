"""Who is asking: tokens of programs, signed cookies of people, and CSRF tokens.

No I/O except the making of the signing key. Times are checked by itsdangerous.
"""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from itsdangerous import BadSignature, URLSafeTimedSerializer

#: `open`: loopback without any token configured; the role is full, the login page is not needed.
Role = Literal["none", "read", "full"]

COOKIE = "mediascrape_session"
SESSION_S = 30 * 86_400
CSRF_S = 86_400


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's session: the role it logged in for and a nonce that its CSRF tokens carry."""

    role: Role
    nonce: str


class Sessions:
    """Reads and writes cookies and CSRF tokens.

    The key is derived from the configured tokens too, so that changing one ends all sessions.
    """

    def __init__(self, secret: str, token: str | None, read_token: str | None) -> None:
        key = f"{secret}:{token or ''}:{read_token or ''}"
        self._cookies = URLSafeTimedSerializer(key, salt="mediascrape-session")
        self._csrf = URLSafeTimedSerializer(key, salt="mediascrape-csrf")
        self._token = token
        self._read_token = read_token

    @property
    def open(self) -> bool:
        """True when no token is configured and everybody on this machine may do everything."""
        return self._token is None

    def role_of_token(self, given: str) -> Role:
        """Compares in constant time."""
        given_bytes = given.encode()
        full = self._token is not None and hmac.compare_digest(given_bytes, self._token.encode())
        read = self._read_token is not None and hmac.compare_digest(given_bytes, self._read_token.encode())
        return "full" if full else "read" if read else "none"

    def new(self, role: Role) -> tuple[Session, str]:
        """A fresh session and its cookie's value."""
        session = Session(role, secrets.token_urlsafe(12))
        return session, self._cookies.dumps([session.role, session.nonce])

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie, None when it is forged, outdated or of another key."""
        try:
            role, nonce = self._cookies.loads(cookie, max_age=SESSION_S)
        except (BadSignature, ValueError, TypeError):
            return None
        return Session(role, nonce) if role in ("none", "read", "full") else None

    def csrf_token(self, session: Session) -> str:
        return self._csrf.dumps(session.nonce)

    def csrf_valid(self, session: Session, token: str) -> bool:
        try:
            nonce = self._csrf.loads(token, max_age=CSRF_S)
        except BadSignature:
            return False
        return isinstance(nonce, str) and hmac.compare_digest(nonce, session.nonce)


def load_secret(path: Path) -> str:
    """The signing key kept in the data directory, made at the first start, readable by us alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written whole under another name first: of two processes that start at once one wins.
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        Path(draft).unlink()
    return path.read_text()
