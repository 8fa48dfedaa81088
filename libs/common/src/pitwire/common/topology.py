"""Streams, NATS accounts and principals as data; applied by `pitwire topology apply`, never on subscribe."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pitwire.common import subjects
from pitwire.common.units import NS_PER_S

MEBIBYTE: Final = 1024 * 1024
GIBIBYTE: Final = 1024 * MEBIBYTE
INTENT_AGE_MAX_S: Final = 60
"""The longest life a strategy may give an intent; decided ones leave with it."""

INTENTS_PER_STRATEGY_MAX: Final = 12_000
"""200 a second for as long as they live; a strategy that floods is refused here, and nobody else is."""

RESEARCH_AGE_MAX_S: Final = 7 * 86_400
"""A sweep that nobody came back to for so long is forgotten."""

WORKERS: Final = "workers"
WORKERS_MAX: Final = 1_000
"""Records of a queue that may be in the hands of workers at once."""

CONFIRM_WITHIN_S: Final = 10.0
"""A worker that says nothing about its record for so long has lost it to another."""


class NatsAccount(StrEnum):
    """Who can reach what. Only gate, execution and operators live where the journal is written; research is alone."""

    TRADING = "TRADING"
    STRAT = "STRAT"
    READ = "READ"
    MD = "MD"
    RESEARCH = "RESEARCH"


class Durability(StrEnum):
    """SYNC waits for the disk before the acknowledgement; ASYNC writes behind, so that history costs orders nothing."""

    SYNC = "default"
    ASYNC = "async"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. `copied_to` names the accounts that hold a sourced copy under the same name."""

    name: str
    account: NatsAccount
    subjects: tuple[str, ...]
    doc: str
    durability: Durability
    max_bytes: int
    discard: str = "new"
    max_age_s: float = 0
    per_subject_max: int = -1
    discard_new_per_subject: bool = False
    deny_delete: bool = False
    copied_to: tuple[NatsAccount, ...] = ()
    is_queue: bool = False
    """Each record goes to one worker, and leaves when that has confirmed it."""

    def config(self, replicas: int = 1) -> dict[str, Any]:
        """The server's JSON for the stream itself."""
        return {
            "name": self.name,
            "description": self.doc,
            "subjects": list(self.subjects),
            "storage": "file",
            "retention": "workqueue" if self.is_queue else "limits",
            "discard": self.discard,
            "discard_new_per_subject": self.discard_new_per_subject,
            "max_msgs_per_subject": self.per_subject_max,
            "max_bytes": self.max_bytes,
            "max_age": int(self.max_age_s * NS_PER_S),
            "num_replicas": replicas,
            "deny_delete": self.deny_delete,
            "allow_direct": False,
            "persist_mode": _persist_mode(self.durability, replicas),
        }

    def workers_config(self) -> dict[str, Any]:
        """The consumer that all workers of a queue share: what one does not confirm in time goes to another."""
        return {
            "name": WORKERS,
            "durable_name": WORKERS,
            "ack_policy": "explicit",
            "ack_wait": int(CONFIRM_WITHIN_S * NS_PER_S),
            "max_deliver": -1,
            "max_ack_pending": WORKERS_MAX,
        }

    def restoring_config(self, replicas: int = 1) -> dict[str, Any]:
        """The stream while its records are put back: under their own subjects, but nobody else can write it."""
        (every,) = self.subjects
        aside = f"{subjects.RESTORE}.{every}"
        return self.config(replicas) | {"subjects": [aside], "subject_transform": {"src": aside, "dest": every}}

    def copy_config(self, account: NatsAccount, replicas: int = 1) -> dict[str, Any]:
        """The server's JSON for the sourced copy in `account`: read only, rebuilt from the source when lost."""
        return {
            "name": self.name,
            "description": f"copy of {self.account}.{self.name}",
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "max_bytes": self.max_bytes,
            "max_age": int(self.max_age_s * NS_PER_S),
            "max_msgs_per_subject": self.per_subject_max,
            "num_replicas": replicas,
            "allow_direct": False,
            "persist_mode": _persist_mode(Durability.ASYNC, replicas),
            "sources": [
                {
                    "name": self.name,
                    "external": {
                        "api": api_prefix(self.account),
                        "deliver": f"{deliver_prefix(self.account, account)}.{self.name}",
                    },
                }
            ],
        }


def _persist_mode(durability: Durability, replicas: int) -> str:
    """The server writes behind only for a stream with one replica; a replicated one has its peers for that."""
    return durability.value if replicas == 1 else Durability.SYNC.value


def api_prefix(source: NatsAccount) -> str:
    """Under which subject a copying account reaches the source account's consumer API."""
    return f"{source}.API"


def deliver_prefix(source: NatsAccount, target: NatsAccount) -> str:
    """Under which subject the records of a sourced copy cross from one account to the other."""
    return f"copy.{source}.{target}".lower()


OMS: Final = Stream(
    name="OMS",
    account=NatsAccount.TRADING,
    subjects=(subjects.EVERY_JOURNAL,),
    doc="the journal: decisions, execution events, halts and resumes in one total order",
    durability=Durability.SYNC,
    max_bytes=4 * GIBIBYTE,
    deny_delete=True,
    copied_to=(NatsAccount.STRAT, NatsAccount.READ),
)
INTENTS: Final = Stream(
    name="INTENT",
    account=NatsAccount.TRADING,
    subjects=(subjects.pattern(subjects.INTENT),),
    doc="what strategies ask for, until decided or expired",
    durability=Durability.ASYNC,
    max_bytes=64 * MEBIBYTE,
    max_age_s=INTENT_AGE_MAX_S,
    per_subject_max=INTENTS_PER_STRATEGY_MAX,
    discard_new_per_subject=True,
)
CONTROL: Final = Stream(
    name="CTL",
    account=NatsAccount.TRADING,
    subjects=(subjects.EVERY_COMMAND, subjects.EVERY_COMMAND_RESULT, subjects.EVERY_HALT_SEEN),
    doc="operator commands and their answers: the audit trail",
    durability=Durability.SYNC,
    max_bytes=256 * MEBIBYTE,
    deny_delete=True,
    copied_to=(NatsAccount.READ,),
)
STATE: Final = Stream(
    name="STATE",
    account=NatsAccount.TRADING,
    subjects=(subjects.pattern(subjects.HEARTBEAT), subjects.pattern(subjects.RISK_METRICS)),
    doc="last heartbeat of each process and last risk metrics of each account",
    durability=Durability.ASYNC,
    max_bytes=16 * MEBIBYTE,
    discard="old",
    per_subject_max=1,
)
LEASES: Final = Stream(
    name="LEASE",
    account=NatsAccount.TRADING,
    subjects=(subjects.pattern(subjects.LEASE),),
    doc="who leads each process slot: for liveness alone, safety never depends on it",
    durability=Durability.ASYNC,
    max_bytes=1 * MEBIBYTE,
    discard="old",
    per_subject_max=1,
)
SNAPSHOTS: Final = Stream(
    name="SNAP",
    account=NatsAccount.TRADING,
    subjects=(subjects.pattern(subjects.SNAPSHOT),),
    doc="the last folded states of each account, so that a start need not read the whole journal",
    durability=Durability.ASYNC,
    max_bytes=512 * MEBIBYTE,
    discard="old",
    per_subject_max=3,
)
CANDLES: Final = Stream(
    name="CANDLES",
    account=NatsAccount.MD,
    subjects=(subjects.pattern(subjects.CANDLE),),
    doc="closed candles: warm-up of strategies, rows of `candles`",
    durability=Durability.ASYNC,
    max_bytes=1 * GIBIBYTE,
    discard="old",
    copied_to=(NatsAccount.STRAT, NatsAccount.READ),
)
INSTRUMENTS: Final = Stream(
    name="INSTRUMENTS",
    account=NatsAccount.MD,
    subjects=(subjects.pattern(subjects.INSTRUMENT),),
    doc="last definition of each instrument",
    durability=Durability.ASYNC,
    max_bytes=16 * MEBIBYTE,
    discard="old",
    per_subject_max=1,
    copied_to=(NatsAccount.TRADING, NatsAccount.STRAT, NatsAccount.READ),
)
ALERTS: Final = Stream(
    name="ALERTS",
    account=NatsAccount.READ,
    subjects=(subjects.pattern(subjects.ALERT),),
    doc="alerts of every service",
    durability=Durability.ASYNC,
    max_bytes=64 * MEBIBYTE,
    discard="old",
)
DEAD_LETTERS: Final = Stream(
    name="DLQ",
    account=NatsAccount.READ,
    subjects=(subjects.pattern(subjects.DEAD_LETTER),),
    doc="messages nobody could handle, whole, with their place and reason",
    durability=Durability.ASYNC,
    max_bytes=64 * MEBIBYTE,
    discard="old",
)
TRACES: Final = Stream(
    name="TRACES",
    account=NatsAccount.READ,
    subjects=(subjects.pattern(subjects.DECISION_TRACE),),
    doc="why strategies did or did not trade",
    durability=Durability.ASYNC,
    max_bytes=256 * MEBIBYTE,
    discard="old",
)
DELIVERED: Final = Stream(
    name="DELIVERED",
    account=NatsAccount.STRAT,
    subjects=(subjects.pattern(subjects.DELIVERED),),
    doc="what strategies were given, in order: replays give it again",
    durability=Durability.ASYNC,
    max_bytes=512 * MEBIBYTE,
    discard="old",
    copied_to=(NatsAccount.READ,),
)
JOBS: Final = Stream(
    name="JOBS",
    account=NatsAccount.RESEARCH,
    subjects=(subjects.pattern(subjects.BACKTEST_JOB),),
    doc="runs of sweeps that no result is stored for yet",
    durability=Durability.SYNC,
    max_bytes=256 * MEBIBYTE,
    max_age_s=RESEARCH_AGE_MAX_S,
    is_queue=True,
)
RESULTS: Final = Stream(
    name="RESULTS",
    account=NatsAccount.RESEARCH,
    subjects=(subjects.pattern(subjects.BACKTEST_RESULT),),
    doc="results of sweeps, until whoever asked has written them down",
    durability=Durability.SYNC,
    max_bytes=1 * GIBIBYTE,
    max_age_s=RESEARCH_AGE_MAX_S,
    discard="old",
)

STREAMS: Final = (
    OMS, INTENTS, CONTROL, STATE, LEASES, SNAPSHOTS, CANDLES, INSTRUMENTS, ALERTS, DEAD_LETTERS, TRACES, DELIVERED,
    JOBS, RESULTS,
)  # fmt: skip
BY_NAME: Final = {stream.name: stream for stream in STREAMS}


@dataclass(frozen=True, slots=True)
class Principal:
    """One identity: where it lives and which streams it reads there. What it writes follows from the registry."""

    name: str
    account: NatsAccount
    reads: tuple[Stream, ...]
    doc: str
    hears: tuple[str, ...] = field(default=())
    """Core subjects it subscribes to."""

    works: Stream | None = None
    """The queue it takes its work from."""


PRINCIPALS: Final = (
    Principal("market-data", NatsAccount.MD, (CANDLES, INSTRUMENTS), "feeds in, market data out"),
    Principal(
        "strategy",
        NatsAccount.STRAT,
        (OMS, CANDLES, INSTRUMENTS),
        "market data and own fills in, intents out",
        (subjects.EVERY_MARKET, subjects.pattern(subjects.RISK_METRICS)),
    ),
    Principal(
        "risk-gate",
        NatsAccount.TRADING,
        (INTENTS, OMS, CONTROL, INSTRUMENTS, LEASES, SNAPSHOTS),
        "intents in, ledger out",
        (subjects.EVERY_MARKET, subjects.pattern(subjects.HEARTBEAT)),
    ),
    Principal(
        "execution",
        NatsAccount.TRADING,
        (OMS, INSTRUMENTS, LEASES, SNAPSHOTS),
        "approvals in, execution events out",
        (subjects.EVERY_MARKET, subjects.pattern(subjects.HEARTBEAT)),
    ),
    Principal(
        "persistence",
        NatsAccount.READ,
        (OMS, CONTROL, CANDLES, INSTRUMENTS, ALERTS, TRACES, DEAD_LETTERS),
        "everything in, rows out",
    ),
    Principal(
        "operator",
        NatsAccount.TRADING,
        (OMS, CONTROL, STATE, INSTRUMENTS),
        "people and their tools: commands and halts out",
        (subjects.pattern(subjects.HEARTBEAT), subjects.pattern(subjects.RISK_METRICS)),
    ),
    Principal(
        "auditor",
        NatsAccount.READ,
        (OMS, CANDLES, INSTRUMENTS, DELIVERED),
        "whoever repeats what was decided: reads, and writes nothing",
    ),
    Principal("backtest", NatsAccount.RESEARCH, (RESULTS,), "runs of sweeps in, results out", works=JOBS),
    Principal(
        "researcher",
        NatsAccount.RESEARCH,
        (RESULTS,),
        "people who sweep: runs out, results in",
        (subjects.pattern(subjects.BACKTEST_PROGRESS),),
    ),
)
