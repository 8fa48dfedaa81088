"""Ed25519 keys in PEM. Loading `cryptography` takes a tenth of a second, so only who has such a key imports this."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def signing_with(pem: str) -> Callable[[bytes], bytes]:
    """What signs with the key of a PEM text; `ValueError` for anything but an Ed25519 key without a password."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("not a private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the text is wrong, not its type
    return key.sign
