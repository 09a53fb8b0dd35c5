"""A new root: fetched from the hub once a day, believed because the root that is trusted already has signed it.

The trust anchor that this machine was set up with stays as it is; what succeeded it lies in the home, `roots.pem`, and
counts only as far as it has a way from there.
"""

from datetime import timedelta

from renkei.agent.files import stage
from renkei.agent.home import Home, log, now, stamp
from renkei.client.errors import NotFound
from renkei.client.hub import HubClient
from renkei.exchange.certificates import CertificateError
from renkei.exchange.clock import parse_time

_EVERY = timedelta(days=1)
_FACT = "roots_at"


def tend(home: Home, client: HubClient) -> None:
    """Look for a successor of the root; one that can't be believed is alarmed, and nothing of it is taken.

    Raises:
        HubError: the hub can't be reached.
    """
    last = home.spool.fact(_FACT)
    if last is not None and abs(now() - parse_time(last)) < _EVERY:
        return
    try:
        changed = home.anchor.succeed(client.roots(), now())
    except NotFound:
        return  # a hub of an earlier release
    except CertificateError as error:
        home.alarm("roots", "hub", f"the hub hands on a root that can't be believed: {error}")
        return
    if changed:
        stage(home.settings.roots, home.anchor.to_pem().encode(), 0o640)
        log.warning("a new root is trusted: the one that was trusted before has signed it")
    home.spool.settle("roots", "hub")
    home.spool.note(roots_at=stamp())
