"""Over a year passes for a fleet of the real programs: every key and certificate is rotated, and nothing is lost."""

from pathlib import Path

from cryptography import x509

from faults.year import MINISTRY, SHINJUKU, Year, wait
from renkei.exchange.anchors import Anchors


def test_every_key_is_rotated_while_time_passes_and_nothing_is_lost(tmp_path: Path) -> None:
    with Year(tmp_path) as year:
        year.send()
        year.settle()

        year.advance(to=100)  # the root retires
        year.succeed_root()
        year.advance(to=101)  # agents look once a day
        for party in (SHINJUKU, MINISTRY):
            wait(f"{party} trusts its successor", lambda party=party: year.root.certificate() in roots_of(year, party))
        year.advance(to=110)
        year.renew_issuing()
        year.renew_gateway()
        year.send()
        year.settle()

        year.stop(MINISTRY)  # what comes meanwhile waits at the hub, signed by the old keys and sealed to them
        year.send()
        year.advance(to=268)  # two thirds of 398 days
        rotate(year, SHINJUKU, generation=2)
        year.begin(MINISTRY)
        rotate(year, MINISTRY, generation=2)

        year.advance(to=405)  # what was issued at the beginning has ended
        year.send()
        year.settle()

        year.advance(to=470)  # the cross-certificate ended at 465: the first root is trusted no more
        year.renew_server()  # what it got at 110 is due
        year.restart_hub()
        year.stop(SHINJUKU)  # and who starts now still knows its way to the second
        year.begin(SHINJUKU)
        year.send()
        year.settle()

        year.advance(to=540)
        for party in (MINISTRY, SHINJUKU):
            rotate(year, party, generation=3)
            wait(f"nobody has to do anything for {party}", lambda party=party: at_peace(year, party))
            assert year.status(party)["crl"]["standing"] == "current"


def roots_of(year: Year, party: str) -> tuple[x509.Certificate, ...]:
    """The roots that an agent trusts beside the one that it was set up with."""
    file = year.home(party) / "roots.pem"
    return Anchors.read(file.read_text()).roots if file.exists() else ()


def at_peace(year: Year, party: str) -> bool:
    """Whether an exchange leaves no alarm: those of the first moment after a leap have settled."""
    year.ask(party)
    return not year.status(party)["alarms"]


def rotate(year: Year, party: str, generation: int) -> None:
    """Let a party, the authority and the hub renew, with a notice on its way."""
    year.send()

    def renewed() -> bool:
        year.ask(party)
        return year.has_keys(party, generation)

    wait(f"{party} has its keys of generation {generation}", renewed)
    wait("the authority, too", lambda: year.generation("authority") == generation)
    if year.generation("hub") < generation:
        year.renew_hub()
        wait("the hub, too", lambda: year.generation("hub") == generation)
        year.restart_hub()
    if party == MINISTRY or generation > 2:
        year.settle()
