"""The one configuration file `pitwire.toml` and the environment of a process; every mistake is named with its place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pitwire.common.errors import ConfigError
from pitwire.common.ids import MANUAL_STRATEGY, content_hash, venue_of
from pitwire.common.instruments import assets_of
from pitwire.common.schemas.base import Asset, InstrumentRef, NonNegative, Positive, Symbol, Token
from pitwire.common.schemas.limits import AccountLimits

CONFIG_FILE: Final = "pitwire.toml"
Url = Annotated[str, Field(pattern=r"^((http|https|ws|wss)://[^\s]+)?$")]


class Section(BaseModel):
    """A part of the file: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mode(StrEnum):
    """Paper trades on a simulated venue; testnet and live need keys of that venue."""

    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"


class Network(StrEnum):
    """Which of a venue's worlds. Only `live` trades with real money."""

    SIMULATED = "simulated"
    TESTNET = "testnet"
    DEMO = "demo"
    LIVE = "live"


NETWORKS: Final[Mapping[Mode, frozenset[Network]]] = {
    Mode.PAPER: frozenset({Network.SIMULATED}),
    Mode.TESTNET: frozenset({Network.SIMULATED, Network.TESTNET, Network.DEMO}),
    Mode.LIVE: frozenset({Network.LIVE}),
}
"""Where a run of each mode may trade: no configuration reaches real money by a slip in one line."""

BINANCE: Final[Mapping[str, Mapping[str, str]]] = {
    Network.TESTNET: {
        "rest": "https://testnet.binance.vision",
        "ws": "wss://stream.testnet.binance.vision",
        "ws_api": "wss://ws-api.testnet.binance.vision/ws-api/v3",
    },
    Network.DEMO: {
        "rest": "https://demo-api.binance.com",
        "ws": "wss://demo-stream.binance.com",
        "ws_api": "wss://demo-ws-api.binance.com/ws-api/v3",
    },
    Network.LIVE: {
        "rest": "https://api.binance.com",
        "ws": "wss://stream.binance.com:9443",
        "ws_api": "wss://ws-api.binance.com:443/ws-api/v3",
    },
}
"""Addresses of Binance Spot (its documentation: general information, demo mode, testnet)."""

ADDRESSES: Final = ("rest", "ws", "ws_api")
REAL_HOSTS: Final = (".binance.com", ".binance.vision", ".binance.us")
CONNECTION_LIFE_MAX_S: Final = 23 * 3_600
"""Binance ends each connection after 24 hours."""


class RunConfig(Section):
    """What kind of run this is."""

    mode: Mode = Field(default=Mode.PAPER, description="paper: on a simulated venue, without a key of yours")


class VenueConfig(Section):
    """Where a venue is reached. `pitwire up` fills in the addresses of the simulated one."""

    kind: Literal["binance", "ccxt"] = Field(default="binance", description="ccxt: through that library, an extra")
    exchange: Token = Field(
        default="binance", description="for ccxt: which of its exchanges; market data comes from binance or kraken"
    )
    network: Network = Field(default=Network.SIMULATED, description="which of its worlds; sets the three addresses")
    rest: Url = Field(description="base address of REST, without /api/v3")
    ws: Url = Field(description="base address of market streams, without /stream")
    ws_api: Url = Field(description="full address of the WebSocket API")
    instruments: Annotated[tuple[Symbol, ...], Field(min_length=1, description="symbols to follow, BTC-USDT")]
    books: tuple[Symbol, ...] = Field(default=(), description="those of them whose order book is followed")
    clock_skew_max_ms: int | None = Field(
        default=None, ge=0, description="how far its clock may be ahead; unset: 500, in paper mode not compared"
    )
    divergence_max_percent: Annotated[Positive, Field(le=100)] = Field(
        default=Decimal(5), description="further from the other venues' mid price of the symbol, a price is flagged"
    )
    doubt_after_ms: int = Field(
        default=1_000, ge=0, description="flagged without a break for so long: the gate lets only reductions pass"
    )
    recv_window_ms: int = Field(default=2000, gt=0, le=2000, description="how long a signed order may travel")
    silence_max_ms: int = Field(default=10_000, ge=500, description="no frame for so long: connect again")
    connection_life_s: int = Field(
        default=CONNECTION_LIFE_MAX_S,
        ge=1,
        le=CONNECTION_LIFE_MAX_S,
        description="change over to a new connection after so long, before the venue ends it",
    )
    rate_share_percent: int = Field(
        default=80, ge=1, le=100, description="of its request limits: what execution may use; the rest is for others"
    )
    history_candles: int = Field(default=500, ge=0, le=1000, description="closed candles fetched at the start")

    @model_validator(mode="before")
    @classmethod
    def _addresses_of_the_network(cls, raw: Any) -> Any:
        """Each network has its addresses; one that is given counts (a proxy, a test). ccxt knows those of others."""
        if not isinstance(raw, dict):
            return raw
        is_binance = raw.get("exchange", "binance") == "binance"
        known: Mapping[str, str] = BINANCE.get(str(raw.get("network")), {})
        return (dict(known) if is_binance else dict.fromkeys(ADDRESSES, "")) | raw

    @model_validator(mode="after")
    def _addresses_are_there(self) -> Self:
        missing = [name for name in ADDRESSES if not getattr(self, name)]
        if self.exchange != "binance" and self.kind != "ccxt":
            raise ValueError(f"exchange: {self.exchange} needs kind = ccxt")
        if self.exchange == "binance" and missing:
            raise ValueError(f"{', '.join(missing)}: needed where no network sets it")
        return self

    @model_validator(mode="after")
    def _simulated_is_simulated(self) -> Self:
        """An address of the real venue under the name of the simulated one is a mistake that costs money."""
        hosts = {urlsplit(url).hostname or "" for url in (self.rest, self.ws, self.ws_api)}
        real = sorted(host for host in hosts if host.endswith(REAL_HOSTS))
        if self.network is Network.SIMULATED and real:
            msg = f"{', '.join(real)} is not simulated: name its network (testnet, demo or live) instead"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _books_are_followed(self) -> Self:
        if unknown := [symbol for symbol in self.books if symbol not in self.instruments]:
            msg = f"books: {', '.join(unknown)} must be among the instruments"
            raise ValueError(msg)
        return self


class VenueAccountConfig(Section):
    """An account at a venue and the key that opens it."""

    venue: Token = Field(description="one of `venues`")
    account: Token = Field(description="the risk account it belongs to")
    key_file: Path = Field(description="JSON with api_key and api_secret, readable by its owner alone")


class LimitsConfig(AccountLimits):
    """The limits of `pitwire.toml`: like every section, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AccountConfig(Section):
    """A risk account: the unit of limits."""

    quote: Asset = Field(description="currency of equity and limits")
    capital: dict[Asset, NonNegative] = Field(description="what is in it at first start; later deposits are commands")
    limits: LimitsConfig


class StrategyConfig(Section):
    """One running instance of a strategy with its own sub-ledger.

    An instrument quoted in another currency than its account's needs the one that prices that currency beside it.
    """

    type: str = Field(min_length=1, description="momentum, mean_reversion, or path/to/file.py:Class")
    account: Token = Field(description="one of `accounts`")
    capital: Positive = Field(description="it sizes by it, in the account's quote currency")
    instruments: tuple[InstrumentRef, ...] = Field(min_length=1, description="what it sees and trades, BTC-USDT.sim")
    interval: Token = Field(default="1m", description="of the candles it sees")
    intent_ttl_ms: int = Field(default=2_000, gt=0, le=60_000, description="an order undecided for so long is void")
    params: dict[str, str | int | float | bool] = Field(default={}, description="its own; each has a default")


class PitwireConfig(Section):
    """The whole file."""

    run: RunConfig = RunConfig()
    venues: dict[Token, VenueConfig]
    venue_accounts: dict[Token, VenueAccountConfig]
    accounts: dict[Token, AccountConfig]
    strategies: dict[Token, StrategyConfig] = {}

    @model_validator(mode="after")
    def _networks_fit_the_mode(self) -> Self:
        for name, venue in self.venues.items():
            if venue.network not in NETWORKS[self.run.mode]:
                known = ", ".join(sorted(NETWORKS[self.run.mode]))
                msg = f"venues.{name}.network: {venue.network} does not go with run.mode {self.run.mode} ({known})"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        for name, venue_account in self.venue_accounts.items():
            _known(venue_account.venue, self.venues, f"venue_accounts.{name}.venue")
            _known(venue_account.account, self.accounts, f"venue_accounts.{name}.account")
        for name, strategy in self.strategies.items():
            if name == MANUAL_STRATEGY:
                msg = f"strategies.{name}: this name is kept for orders of operators"
                raise ValueError(msg)
            _known(strategy.account, self.accounts, f"strategies.{name}.account")
            for instrument in strategy.instruments:
                _known(venue_of(instrument), self.venues, f"strategies.{name}.instruments ({instrument})")
            _convertible(strategy, self.accounts[strategy.account].quote, f"strategies.{name}.instruments")
        return self

    @property
    def config_hash(self) -> str:
        """sha256 of the effective configuration; services that disagree do not trade together."""
        return content_hash(self.model_dump_json().encode())

    def strategies_of(self, account: str) -> dict[str, StrategyConfig]:
        return {name: s for name, s in self.strategies.items() if s.account == account}

    def venue_accounts_of(self, account: str) -> dict[str, VenueAccountConfig]:
        return {name: v for name, v in self.venue_accounts.items() if v.account == account}

    def instruments(self) -> tuple[str, ...]:
        """Every instrument followed, as `instrument_id`."""
        return tuple(f"{symbol}.{name}" for name, venue in self.venues.items() for symbol in venue.instruments)


def _known(name: str, section: Mapping[str, object], where: str) -> None:
    if name not in section:
        msg = f"{where}: {name!r} is not configured; known: {', '.join(sorted(section)) or 'none'}"
        raise ValueError(msg)


def _convertible(strategy: StrategyConfig, currency: str, where: str) -> None:
    """A strategy counts in its account's currency, so it must see the price of every other one it trades in."""
    assets = {instrument: assets_of(instrument) for instrument in strategy.instruments}
    for instrument, (_, quote) in assets.items():
        if quote != currency and (quote, currency) not in assets.values():
            msg = (
                f"{where}: {instrument} is quoted in {quote}, and account {strategy.account} counts in {currency}; "
                f"add {quote}-{currency} of some venue, which says what {quote} is worth"
            )
            raise ValueError(msg)


def load_config(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> PitwireConfig:
    """Reads the file (default: PITWIRE_CONFIG, else ./pitwire.toml); `ConfigError` names key and reason.

    Relative paths in the file are meant from the folder of the file.
    """
    environ = os.environ if environ is None else environ
    path = path or Path(environ.get("PITWIRE_CONFIG", CONFIG_FILE))
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(where=str(path), what=f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(where=str(path), what=f"is not TOML: {error}") from None
    try:
        config = PitwireConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(where=str(path), what=explain(error)) from None
    return _with_absolute_keys(config, path.resolve().parent)


def explain(error: ValidationError) -> str:
    """One line per mistake: the key as written in the file, then the reason."""
    lines: list[str] = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        reason = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        lines.append(f"{key}: {reason}" if key else reason)
    return "; ".join(lines)


def _with_absolute_keys(config: PitwireConfig, folder: Path) -> PitwireConfig:
    accounts = {
        name: v.model_copy(update={"key_file": folder / v.key_file}) for name, v in config.venue_accounts.items()
    }
    return config.model_copy(update={"venue_accounts": accounts})


class ServiceSettings(Section):
    """What a process is told by its environment (names in the reference)."""

    nats_url: str = Field(default="nats://127.0.0.1:4222", description="the bus")
    nats_seed_file: Path | None = Field(default=None, description="the nkey seed of this process's identity")
    database_url: str = Field(default="", description="PostgreSQL; only persistence needs it")
    slot: Token = Field(default="0", description="which of several processes of this service it is")
    health_port: int = Field(default=0, ge=0, le=65535, description="of /healthz, /readyz, /metrics; 0 = any free one")
    health_host: str = Field(default="127.0.0.1", description="where that port is opened")
    data_dir: Path = Field(default=Path(".pitwire"), description="where this process may keep files")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="least severe line")
    otlp_endpoint: str = Field(default="", description="where spans are sent (OTLP over HTTP); empty = nowhere")
    leases: bool = Field(default=True, description="false: every process of a slot works at once, for tests")
    crashpoint: str = Field(default="", description="POINT:N, to die at its n-th pass, or trace; for tests")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ServiceSettings:
        """`PITWIRE_<FIELD>` for each field; `ConfigError` names the variable."""
        environ = os.environ if environ is None else environ
        raw = {
            name: environ[f"PITWIRE_{name.upper()}"]
            for name in cls.model_fields
            if environ.get(f"PITWIRE_{name.upper()}", "")
        }
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise ConfigError(where="environment", what=f"PITWIRE_ settings: {explain(error)}") from None
