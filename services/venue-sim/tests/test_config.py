"""The command line of the venue."""

import pytest

from pitwire.venue_sim.config import parse


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert parse(["--port", "0"]).host == "127.0.0.1"
    assert parse(["--port", "0", "--host", "0.0.0.0"]).host == "0.0.0.0"


def test_a_host_that_is_no_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--port", "0", "--host", "everywhere"])
    assert "'everywhere' is not an IP address" in capsys.readouterr().err
