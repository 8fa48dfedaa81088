"""The command line of the venue."""

from decimal import Decimal

import pytest

from pitwire.venue_sim.config import parse


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert parse(["--port", "0"]).host == "127.0.0.1"
    assert parse(["--port", "0", "--host", "0.0.0.0"]).host == "0.0.0.0"


def test_a_host_that_is_no_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--port", "0", "--host", "everywhere"])
    assert "'everywhere' is not an IP address" in capsys.readouterr().err


def test_venues_have_names_and_their_prices_may_differ() -> None:
    config = parse(["--port", "0", "--name", "north", "--offset-bps", "-12.5"])
    assert (config.name, config.offset_bps) == ("north", Decimal("-12.5"))
    for wrong in (["--offset-bps", "much"], ["--offset-bps", "5", "--market", "file.csv"]):
        with pytest.raises(SystemExit):
            parse(["--port", "0", *wrong])
