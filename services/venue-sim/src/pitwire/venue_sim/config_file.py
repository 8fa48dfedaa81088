"""The venue's configuration file: what the command line says, written down, and the instruments beside it."""

import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pitwire.venue_sim.core.instruments import Instrument

OPTIONS = (
    "name", "market", "speed", "seed", "history", "maker_bps", "taker_bps", "offset_bps", "latency_ms",
    "orders_per_10s", "max_num_orders", "legacy_listen_key",
)  # fmt: skip
"""Keys of the file that are options of the command line, with the same meaning; underscores stand for hyphens."""
AMOUNT_RULES = (
    "tick_size", "lot_step", "price_max", "quantity_max", "market_quantity_max", "notional_min", "notional_max",
    "position_max",
)  # fmt: skip
COUNT_RULES = ("stop_orders_max", "iceberg_orders_max", "order_lists_max")
FEES = ("maker_bps", "taker_bps")
INSTRUMENT_KEYS = ("quote", "price", "minute_volume", *FEES, *AMOUNT_RULES, *COUNT_RULES)
LIVE_KEYS = ("rest", "ws")
URL_SCHEMES = ("http://", "https://", "ws://", "wss://")
BPS = Decimal("0.0001")
FEE_BPS_MAX = Decimal(1000)


class ConfigFileError(Exception):
    """The file cannot be used; the text says where and why."""


class ConfigFile:
    """A file as read: `arguments` come before those of the command line, which therefore win."""

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            ConfigFileError: it is not there, not TOML, or says something that the venue does not understand.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except OSError as problem:
            raise ConfigFileError(f"{path}: cannot be read: {problem.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise ConfigFileError(f"{path}: not TOML: {problem}") from None
        self._path = path
        self._check_keys("", document, (*OPTIONS, "balances", "instruments", "live"))
        self.arguments: list[str] = []
        for key in OPTIONS:
            if key in document:
                self._add_option(key, document[key])
        balances = self._table("balances", document)
        self.balances = [f"{asset}={self._text(f'balances.{asset}', value)}" for asset, value in balances.items()]
        live = self._table("live", document)
        self._check_keys("live.", live, LIVE_KEYS)
        self.live = {key: self._url(f"live.{key}", value) for key, value in live.items()}
        self.instruments = {
            symbol: self._instrument(symbol, self._table(symbol, tables))
            for tables in [self._table("instruments", document)]
            for symbol in tables
        }

    def _fail(self, where: str, what: str) -> ConfigFileError:
        return ConfigFileError(f"{self._path}: {where}: {what}")

    def _check_keys(self, where: str, table: dict[str, object], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                raise self._fail(where + key, f"unknown; the keys are {', '.join(known)}")

    def _table(self, key: str, document: dict[str, object]) -> dict[str, object]:
        table = document.get(key, {})
        if not isinstance(table, dict):
            raise self._fail(key, "has to be a table")
        return table

    def _text(self, where: str, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self._fail(where, "has to be a number or a text")
        return f"{value:f}" if isinstance(value, Decimal) else str(value)

    def _url(self, where: str, value: object) -> str:
        if not isinstance(value, str) or not value.startswith(URL_SCHEMES):
            raise self._fail(where, f"has to be a text that begins with one of {', '.join(URL_SCHEMES)}")
        return value.rstrip("/")

    def _add_option(self, key: str, value: object) -> None:
        option = f"--{key.replace('_', '-')}"
        if key == "legacy_listen_key":
            if not isinstance(value, bool):
                raise self._fail(key, "has to be true or false")
            self.arguments += [option] if value else []
            return
        text = self._text(key, value)
        if key == "market" and (self._path.parent / text).exists():
            # Relative to the file, wherever the venue is started.
            text = str(self._path.parent / text)
        self.arguments.append(f"{option}={text}")

    def _instrument(self, symbol: str, table: dict[str, object]) -> Instrument:
        where = f"instruments.{symbol}."
        if not (symbol.isascii() and symbol.isalnum() and symbol.isupper()):
            raise self._fail(where[:-1], "is not a symbol, as BTCUSDT is")
        self._check_keys(where, table, INSTRUMENT_KEYS)
        quote = table.get("quote")
        if quote is not None and not isinstance(quote, str):
            raise self._fail(f"{where}quote", "has to be a text")
        amounts = {
            name: self._amount(where + name, table[name], zero=name in {*FEES, "notional_min"})
            for name in ("price", "minute_volume", *FEES, *AMOUNT_RULES)
            if name in table
        }
        rules: dict[str, Decimal | int] = {name: amounts[name] for name in AMOUNT_RULES if name in amounts}
        rules |= {name: self._count(where + name, table[name]) for name in COUNT_RULES if name in table}
        for name in FEES:
            if amounts.get(name, 0) > FEE_BPS_MAX:
                raise self._fail(where + name, f"is more than {FEE_BPS_MAX} basis points")
        return Instrument(
            quote=quote,
            price=amounts.get("price"),
            minute_volume=amounts.get("minute_volume"),
            maker_fee=amounts["maker_bps"] * BPS if "maker_bps" in amounts else None,
            taker_fee=amounts["taker_bps"] * BPS if "taker_bps" in amounts else None,
            rules=rules,
        )

    def _amount(self, where: str, value: object, *, zero: bool) -> Decimal:
        text = self._text(where, value)
        try:
            amount = Decimal(text)
        except InvalidOperation:
            raise self._fail(where, f"{text!r} is not an amount") from None
        if not amount.is_finite() or amount < 0 or (amount == 0 and not zero):
            raise self._fail(where, f"{text!r} is not an amount {'of zero or more' if zero else 'above zero'}")
        return amount

    def _count(self, where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._fail(where, "has to be a whole number above zero")
        return value
