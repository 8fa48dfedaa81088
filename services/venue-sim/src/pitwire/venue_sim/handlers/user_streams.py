"""The three requests about listenKeys, for venues that still have them."""

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers.listen_keys import ListenKeys
from pitwire.venue_sim.handlers.params import Params
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.venue import Venue


def open_stream(venue: Venue, params: Params, account_id: str) -> Json:
    """POST userDataStream."""
    keys = _keys(venue)
    params.finish()
    return {"listenKey": keys.open(account_id, now_ms=venue.wall_ms())}


def keep_stream(venue: Venue, params: Params, _account_id: str) -> Json:
    """PUT userDataStream."""
    keys = _keys(venue)
    key = params.required("listenKey")
    params.finish()
    keys.keep(key, now_ms=venue.wall_ms())
    return {}


def close_stream(venue: Venue, params: Params, _account_id: str) -> Json:
    """DELETE userDataStream."""
    keys = _keys(venue)
    key = params.required("listenKey")
    params.finish()
    keys.close(key)
    return {}


def _keys(venue: Venue) -> ListenKeys:
    if venue.listen_keys is None:
        raise VenueError(-1020, "listenKey is gone; subscribe with userDataStream.subscribe.signature.", status=410)
    return venue.listen_keys
