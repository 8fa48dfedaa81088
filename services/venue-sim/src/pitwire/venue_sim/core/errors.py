"""What the venue answers when it refuses, with Binance's codes and texts (Spot API documentation, errors)."""

UNKNOWN_ORDER = "Unknown order sent."
INSUFFICIENT_BALANCE = "Account has insufficient balance for requested action."
DUPLICATE_ORDER = "Duplicate order sent."
WOULD_MATCH = "Order would immediately match and take."
WOULD_TRIGGER = "Order would trigger immediately."
MARKET_CLOSED = "Market is closed."
PRICE_RELATION = "The relationship of the prices for the orders is not correct."


class VenueError(Exception):
    """A refusal: a code and a text for the client, the HTTP status, and extra fields of the answer."""

    def __init__(self, code: int, msg: str, *, status: int = 400, data: dict[str, object] | None = None) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data


def order_rejected(text: str) -> VenueError:
    """The matching engine refuses a new order."""
    return VenueError(-2010, text)


def cancel_rejected(text: str = UNKNOWN_ORDER) -> VenueError:
    """The matching engine refuses a cancel."""
    return VenueError(-2011, text)


def amend_rejected(text: str) -> VenueError:
    """The matching engine refuses an amendment."""
    return VenueError(-2038, text)


def no_such_order() -> VenueError:
    """A query names an order that the account never had."""
    return VenueError(-2013, "Order does not exist.")


def filter_failure(name: str) -> VenueError:
    """An order breaks the filter `name` of its symbol."""
    return VenueError(-1013, f"Filter failure: {name}")


def bad_symbol() -> VenueError:
    """The venue does not list the symbol."""
    return VenueError(-1121, "Invalid symbol.")


def out_of_service() -> VenueError:
    """Nothing is done for now (-1016, status 503)."""
    return VenueError(-1016, "This service is no longer available.", status=503)
