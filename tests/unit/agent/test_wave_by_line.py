"""A wave over a real hub behind a real line: TLS, the hub's own process, agents with spools of their own."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from country.terminal import Clock
from renkei.agent.updates import patching
from renkei.exchange.certificates import key_from_pem
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer
from renkei.exchange.updates import Window
from renkei.fleet.waves.engine import Engine, Ministry, load
from renkei.fleet.waves.line import HubPost
from renkei.fleet.waves.plan import PlannedHost
from renkei.fleet.waves.state import Phase
from renkei.fleet.waves.watch import Watch
from renkei.store.waves.ledger import open_ledger
from unit.agent.update_host import AFTER, HOUR, MINUTE, Host, update
from unit.agent.waves import MODEL, WAVE, approved


@pytest.mark.thorough
def test_two_terminals_are_patched_by_a_wave_and_the_hub_has_counted_their_exchanges(
    fleet: Any, tmp_path: Path
) -> None:
    begin = whole_seconds(datetime.now(UTC))
    homes = {code: fleet.agent(code) for code in ("131041", "011011")}
    hosts = {code: Host(now=begin) for code in homes}
    window = Window(opens=begin + 10 * MINUTE, closes=begin + 5 * HOUR)
    planned = [
        PlannedHost(endpoint=home.party, terminal=home.settings.terminal, model=MODEL, group="canary", windows=[window])
        for home in homes.values()
    ]
    signer = Signer(key_from_pem((fleet.folder / "authority.key").read_text()))
    clock = Clock(begin)
    with clock.shown(), open_ledger(str(tmp_path / "waves.db")) as ledger, fleet.authority() as client:
        approved(ledger, begin, planned, [update()])
        ministry = Ministry(signer, fleet.pki.anchor.verify_entry)
        engine = Engine(ledger, load(ledger, str(WAVE)), ministry, HubPost(client), Watch(client.exchanges))
        state = engine.turn(clock.now)
        while state.phase is Phase.RUNNING and clock.now < window.closes:
            clock.now += timedelta(minutes=5)
            for code, home in homes.items():
                hosts[code].run_to(clock.now)
                fleet.exchange(home)
                if patching.tend(home, hosts[code]).exchange:
                    fleet.exchange(home)
                    patching.tend(home, hosts[code])
            state = engine.turn(clock.now)
        assert state.phase is Phase.FINISHED
        assert {each.end for each in state.hosts.values()} == {"well"}
        assert [(host.build, len(host.began), len(host.restarts)) for host in hosts.values()] == [(AFTER, 1, 1)] * 2
        counted: dict[str, Any] = {}
        deadline = time.monotonic() + 20  # the hub writes down what it saw every five seconds
        while len(counted) < len(homes) and time.monotonic() < deadline:
            page = client.exchanges(0)
            assert page is not None
            counted = {each.endpoint: each for each in page.items}
            time.sleep(0.2)
        assert set(counted) == set(homes)
        assert all(each.exchanged_at is not None and not any(each.failed.values()) for each in counted.values())
