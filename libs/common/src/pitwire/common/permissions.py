"""The server's accounts, identities and permissions, made from registry and topology: deny by default.

Each process has its own nkey. It may publish the literal subjects of its accounts and strategies and nothing else;
it may read through exactly the consumer requests of its streams; its replies come to an inbox nobody else may read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nkeys

from pitwire.common import subjects
from pitwire.common.clock import random_bytes
from pitwire.common.config import PitwireConfig
from pitwire.common.ids import EXTERNAL_STRATEGY, MANUAL_STRATEGY, partition_of
from pitwire.common.registry import FLOWS, Flow
from pitwire.common.topology import (
    PRINCIPALS,
    STREAMS,
    WORKERS,
    NatsAccount,
    Principal,
    Stream,
    api_prefix,
    deliver_prefix,
)

PROVISION: Final = "provision"
SEED_BYTES: Final = 32
SERVER_PUBLISH_MAX_BYTES: Final = 8 * 1_048_576
"""A snapshot with thousands of working orders fits; every decoder has its own, smaller limit."""


CORE_EXPORTS: Final = (
    (NatsAccount.MD, subjects.EVERY_MARKET, (NatsAccount.TRADING, NatsAccount.STRAT, NatsAccount.READ)),
    (NatsAccount.MD, subjects.EVERY_HEARTBEAT, (NatsAccount.TRADING,)),
    (NatsAccount.STRAT, subjects.EVERY_HEARTBEAT, (NatsAccount.TRADING,)),
    (NatsAccount.READ, subjects.EVERY_HEARTBEAT, (NatsAccount.TRADING,)),
    (NatsAccount.MD, subjects.EVERY_ALERT, (NatsAccount.READ,)),
    (NatsAccount.STRAT, subjects.EVERY_ALERT, (NatsAccount.READ,)),
    (NatsAccount.TRADING, subjects.EVERY_ALERT, (NatsAccount.READ,)),
    (NatsAccount.MD, subjects.EVERY_DEAD_LETTER, (NatsAccount.READ,)),
    (NatsAccount.STRAT, subjects.EVERY_DEAD_LETTER, (NatsAccount.READ,)),
    (NatsAccount.TRADING, subjects.EVERY_DEAD_LETTER, (NatsAccount.READ,)),
    (NatsAccount.STRAT, subjects.EVERY_TRACE, (NatsAccount.READ,)),
    (NatsAccount.TRADING, subjects.EVERY_PORTFOLIO, (NatsAccount.STRAT, NatsAccount.READ)),
)
"""Core traffic that crosses accounts: from, subject, to."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A principal's key pair: the public half goes to the server, the seed to the process alone."""

    name: str
    account: NatsAccount
    public_key: str
    seed: str


def new_identity(name: str, account: NatsAccount) -> Identity:
    """A fresh nkey pair for one principal."""
    seed = nkeys.encode_seed(random_bytes(SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    pair = nkeys.from_seed(seed)
    return Identity(name, account, bytes(pair.public_key).decode(), seed.decode())


def identity_names() -> tuple[tuple[str, NatsAccount], ...]:
    """Every identity a deployment needs: the principals, and one provisioner per account."""
    named = [(p.name, p.account) for p in PRINCIPALS]
    return (*named, *((provisioner(account), account) for account in NatsAccount))


def provisioner(account: NatsAccount) -> str:
    """The identity that may create and update the streams of one account, and put back records of a lost journal."""
    return f"{PROVISION}-{account.lower()}"


def make_identities(folder: Path) -> dict[str, Identity]:
    """The identities of a deployment, kept as `<name>.nk` (0600) in `folder`; made where missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found: dict[str, Identity] = {}
    for name, account in identity_names():
        path = folder / f"{name}.nk"
        if path.exists():
            seed = path.read_text(encoding="ascii").strip()
            found[name] = Identity(name, account, bytes(nkeys.from_seed(seed.encode()).public_key).decode(), seed)
            continue
        identity = new_identity(name, account)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(identity.seed + "\n")
        found[name] = identity
    return found


def inbox_prefix(principal: str) -> str:
    """Where a principal's answers arrive: nobody else may subscribe there."""
    return f"_INBOX_{principal}"


def literals(template: str, config: PitwireConfig) -> list[str]:
    """The template with account, partition and strategy filled in literally; other variables become `*`."""
    if "{account}" not in template:
        return [subjects.pattern(template)]
    filled: list[str] = []
    for account in config.accounts:
        mine = template.replace("{partition}", str(partition_of(account))).replace("{account}", account)
        if "{strategy}" not in mine:
            filled.append(subjects.pattern(mine))
            continue
        names = [*config.strategies_of(account), MANUAL_STRATEGY, EXTERNAL_STRATEGY]
        filled += [mine.replace("{strategy}", name) for name in names if name in config.strategies]
    return filled


def publishes(principal: str, config: PitwireConfig) -> list[str]:
    """Every subject the principal may publish: its flows, and the API requests of its readers."""
    allowed: list[str] = []
    for flow in FLOWS:
        if principal in flow.writers or "*" in flow.writers:
            allowed += _own_token(flow, principal, config)
    found = _principal(principal)
    allowed += [request for stream in found.reads for request in read_requests(stream.name)]
    return allowed + (work_requests(found.works.name) if found.works else [])


def _own_token(flow: Flow, principal: str, config: PitwireConfig) -> list[str]:
    """A flow's subjects narrowed to the writer's own name where the subject carries it."""
    own = ("{operator}",) if flow.subject == subjects.COMMAND else ("{service}", "{source}")
    template = flow.subject
    for variable in own:
        template = template.replace(variable, principal)
    return literals(template, config)


def _principal(name: str) -> Principal:
    return next(p for p in PRINCIPALS if p.name == name)


def read_requests(stream: str) -> list[str]:
    """What a reader of one stream must be able to ask: nothing that changes the stream."""
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.>",
        f"$JS.API.CONSUMER.DELETE.{stream}.>",
    ]


def work_requests(stream: str) -> list[str]:
    """What a worker of one queue must be able to ask: the next record, and to confirm what it was given."""
    return [f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{WORKERS}", f"$JS.ACK.{stream}.{WORKERS}.>"]


def _user(identity: Identity, config: PitwireConfig) -> dict[str, Any]:
    inbox = f"{inbox_prefix(identity.name)}.>"
    if identity.name.startswith(PROVISION):
        publishes_to = ["$JS.API.>"]
        if identity.account is NatsAccount.TRADING:
            publishes_to.append(f"{subjects.RESTORE}.{subjects.EVERY_JOURNAL}")
        allow = {"publish": {"allow": publishes_to}, "subscribe": {"allow": [inbox]}}
        return {"nkey": identity.public_key, "permissions": allow}
    principal = _principal(identity.name)
    return {
        "nkey": identity.public_key,
        "permissions": {
            "publish": {"allow": publishes(identity.name, config)},
            "subscribe": {"allow": [inbox, *principal.hears]},
        },
    }


def _account(account: NatsAccount, identities: Sequence[Identity], config: PitwireConfig) -> dict[str, Any]:
    exports: list[dict[str, Any]] = []
    imports: list[dict[str, Any]] = []
    for source, subject, targets in CORE_EXPORTS:
        if source is account:
            exports.append({"stream": subject, "accounts": list(targets)})
        if account in targets:
            imports.append({"stream": {"account": source, "subject": subject}})
    _intent_service(account, exports, imports)
    for stream in STREAMS:
        _copy_plumbing(stream, account, exports, imports)
    return {
        "jetstream": "enabled",
        "users": [_user(identity, config) for identity in identities if identity.account is account],
        "exports": exports,
        "imports": imports,
    }


def _intent_service(account: NatsAccount, exports: list[dict[str, Any]], imports: list[dict[str, Any]]) -> None:
    """Strategies publish into TRADING's stream through a service, so that reply subjects are mapped and harmless."""
    subject = subjects.pattern(subjects.INTENT)
    if account is NatsAccount.TRADING:
        exports.append({"service": subject, "accounts": [NatsAccount.STRAT]})
    if account is NatsAccount.STRAT:
        imports.append({"service": {"account": NatsAccount.TRADING, "subject": subject}})


def _copy_plumbing(
    stream: Stream, account: NatsAccount, exports: list[dict[str, Any]], imports: list[dict[str, Any]]
) -> None:
    """What a sourced copy needs across accounts: create its consumer, flow control, and the delivered messages."""
    requests = [f"$JS.API.CONSUMER.CREATE.{stream.name}", f"$JS.API.CONSUMER.CREATE.{stream.name}.>"]
    flow_control = f"$JS.FC.{stream.name}.>"
    if account is stream.account and stream.copied_to:
        exports += [{"service": subject, "accounts": list(stream.copied_to)} for subject in (*requests, flow_control)]
        for target in stream.copied_to:
            exports.append({"stream": f"{deliver_prefix(account, target)}.{stream.name}.>", "accounts": [target]})
    if account in stream.copied_to:
        for subject in requests:
            renamed = subject.replace("$JS.API", api_prefix(stream.account), 1)
            imports.append({"service": {"account": stream.account, "subject": subject}, "to": renamed})
        imports.append({"service": {"account": stream.account, "subject": flow_control}})
        delivered = f"{deliver_prefix(stream.account, account)}.{stream.name}.>"
        imports.append({"stream": {"account": stream.account, "subject": delivered}})


def server_config(
    config: PitwireConfig, identities: Mapping[str, Identity], *, host: str = "127.0.0.1", port: int = -1
) -> dict[str, Any]:
    """The nats-server configuration (JSON is valid there); the caller adds the JetStream store folder."""
    everyone = list(identities.values())
    return {
        "host": host,
        "port": port,
        "max_payload": SERVER_PUBLISH_MAX_BYTES,
        "jetstream": {"sync_interval": "always"},
        "accounts": {account.value: _account(account, everyone, config) for account in NatsAccount},
    }
