"""RSA and Ed25519 keys as Binance takes them: the public half in PEM; PKCS #1 v1.5 with SHA-256, or pure Ed25519."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pitwire.venue_sim.handlers.security import PublicKey

RSA_BITS_MIN = 2048


class RsaKey:
    """Signatures by RSASSA-PKCS1-v1_5 with SHA-256."""

    may_log_on = False

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key

    def accepts(self, payload: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


class Ed25519Key:
    """Signatures by Ed25519."""

    may_log_on = True

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def accepts(self, payload: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, payload)
        except InvalidSignature:
            return False
        return True


def read_public_key(pem: str) -> PublicKey:
    """The key that a PEM text holds.

    Raises:
        ValueError: no PEM, or neither Ed25519 nor RSA of at least 2,048 bits.
    """
    key = load_pem_public_key(pem.encode())
    if isinstance(key, Ed25519PublicKey):
        return Ed25519Key(key)
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return RsaKey(key)
    raise ValueError(f"neither Ed25519 nor RSA of at least {RSA_BITS_MIN} bits")
