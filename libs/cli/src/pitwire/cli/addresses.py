"""The address of the database in the forms that others want."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def plain_url(url: str) -> str:
    """The address as psql and psycopg want it."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


def public_url(url: str) -> str:
    """The address without its password, fit to be shown."""
    parts = urlsplit(plain_url(url))
    user, at, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{place}").geturl()


def password_line(url: str) -> str:
    """The line of a password file (PGPASSFILE) that opens the address; empty when it has no password."""
    parts = urlsplit(plain_url(url))
    if parts.password is None:
        return ""
    fields = (parts.hostname or "", str(parts.port or 5432), parts.path.strip("/"), parts.username or "")
    password = unquote(parts.password).replace("\\", "\\\\").replace(":", "\\:")
    return ":".join((*fields, password)) + "\n"
