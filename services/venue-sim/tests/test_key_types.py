"""RSA and Ed25519 keys, and connections that log on once: the documentation's rules (Request security, Session)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pitwire.venue_sim.__main__ import read_key
from pitwire.venue_sim.adapters.keys import KeysError
from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.public_keys import read_public_key
from pitwire.venue_sim.handlers.security import Key, Keyring, check_signature
from pitwire.venue_sim.handlers.ws_api import WsApiSession


def pem(private_key: Any) -> str:
    public_key = private_key.public_key()
    text: bytes = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


@pytest.fixture(scope="module")
def rsa_pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def ed_pair() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


class Session:
    """A WebSocket API connection of an account with an Ed25519 key."""

    def __init__(self, desk: Any, outbox: Any, pair: Ed25519PrivateKey) -> None:
        keys = [desk.key, Key("ed", "", "main", read_public_key(pem(pair)))]
        desk.venue.keyring = Keyring(keys)
        self.desk, self.outbox, self.pair = desk, outbox, pair
        feeds = Feeds(desk.venue.exchange, desk.time, desk.venue.faults, desk.venue.driver.tapes)
        desk.venue.publisher = feeds
        self.session = WsApiSession(desk.venue, feeds, outbox, address="here")

    def ask(self, method: str, **params: Any) -> Any:
        self.outbox.take()
        self.session.on_text(json.dumps({"id": 1, "method": method, "params": params}))
        return self.outbox.frames[-1]

    def log_on(self, **changed: Any) -> Any:
        params: dict[str, Any] = {"apiKey": "ed", "timestamp": self.desk.wall}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = base64.b64encode(self.pair.sign(payload.encode())).decode()
        return self.ask("session.logon", **(params | changed))


@pytest.fixture
def session(desk: Any, outbox: Any, ed_pair: Ed25519PrivateKey) -> Session:
    return Session(desk, outbox, ed_pair)


def test_an_rsa_signature_is_checked(rsa_pair: rsa.RSAPrivateKey) -> None:
    key = Key("rsa", "", "main", read_public_key(pem(rsa_pair)))
    payload = "symbol=BTCUSDT&timestamp=1"
    signature = base64.b64encode(rsa_pair.sign(payload.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    check_signature(key, payload, signature)
    for wrong in (signature[:-8] + "AAAAAAA=", "no base64", ""):
        with pytest.raises(VenueError) as refusal:
            check_signature(key, payload, wrong)
        assert refusal.value.code == -1022
    with pytest.raises(VenueError):
        check_signature(key, payload + "2", signature)
    assert not key.may_log_on


def test_keys_that_cannot_be_used_are_refused_at_the_start(ed_pair: Ed25519PrivateKey) -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    for text in ("-----BEGIN", pem(small), pem(curve)):
        with pytest.raises(KeysError, match="the public_key of k cannot be used"):
            read_key({"api_key": "k", "account": "main", "public_key": text})
    assert read_key({"api_key": "k", "account": "main", "public_key": pem(ed_pair)}).may_log_on
    assert read_key({"api_key": "k", "account": "main", "api_secret": "s"}).secret == "s"


def test_a_session_logs_on_trades_without_signatures_and_logs_out(session: Session) -> None:
    assert session.ask("userDataStream.subscribe")["error"]["code"] == -2015
    logged_on = session.log_on()
    assert logged_on["status"] == 200
    assert logged_on["result"].keys() == {
        "apiKey",
        "authorizedSince",
        "connectedSince",
        "returnRateLimits",
        "serverTime",
        "userDataStream",
    }
    assert session.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert session.ask("session.status")["result"]["userDataStream"] is True
    now = session.desk.wall
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    assert session.ask("order.place", **order, timestamp=now)["status"] == 200
    assert any(frame.get("event", {}).get("e") == "executionReport" for frame in session.outbox.frames)
    assert session.ask("order.place", **order)["error"]["code"] == -1102
    assert session.ask("order.place", **order, timestamp=now, apiKey="ed")["error"]["code"] == -1102
    assert session.ask("session.logout")["result"]["apiKey"] is None
    assert session.ask("order.place", **order, timestamp=now)["error"]["code"] == -2014


def test_only_an_ed25519_key_with_a_right_signature_logs_on(session: Session) -> None:
    assert session.log_on(apiKey="key")["error"]["code"] == -1020
    assert session.log_on(signature="AAAA")["error"]["code"] == -1022
    assert session.log_on(timestamp=session.desk.wall - 60_000)["error"]["code"] == -1022
    assert session.log_on(apiKey="nobody")["error"]["code"] == -2015
    assert session.ask("session.status")["result"]["apiKey"] is None


def test_a_revoked_key_ends_what_its_session_may_do(session: Session) -> None:
    session.log_on()
    assert session.desk.venue.keyring.revoke("ed")
    refused = session.ask("account.status", timestamp=session.desk.wall)
    assert (refused["status"], refused["error"]["code"]) == (401, -2015)
    assert not session.desk.venue.keyring.revoke("ed")
