"""The agent as a service: it exchanges at its times, when the outbox fills, when asked, and online when news comes.

One loop does everything that changes state. A second thread, for links that are online, only waits at the hub for
something to come and then wakes the loop.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from renkei.agent import enrolment, platform, publishing, renewal, schedule
from renkei.agent.activity import Activity
from renkei.agent.contact import HubNotGenuine
from renkei.agent.enrolment import EnrolmentRefused
from renkei.agent.exchange import Busy, alone, exchange, take_offline
from renkei.agent.home import Home, NotEnrolled, log, now, stamp
from renkei.agent.intake import Watch, candidates
from renkei.agent.page.server import page
from renkei.agent.register import bridge
from renkei.agent.settings import Link
from renkei.agent.updates import patching
from renkei.agent.updates.machine import Machine
from renkei.agent.updates.places import Places
from renkei.agent.updates.windows_update import WindowsUpdate
from renkei.client.backoff import Backoff
from renkei.client.errors import GatewayNotTrusted, HubBusy, HubError, NotAllowed
from renkei.exchange.clock import parse_time
from renkei.store.errors import StoreError

_PATIENCE = 300.0
_HOLD = 20
"""Seconds of one long poll: short enough that a line which died silently is noticed within a minute."""

_FIRST_RETRY = 2.0
_LONGEST_ASKED = 900.0
"""Seconds that the hub may ask to be left alone."""

_TROUBLE = (HubError, HubNotGenuine, NotEnrolled, EnrolmentRefused, Busy, StoreError, OSError)
"""What passes by itself, or when a person has done what the alarm says."""

_ANSWER_AGAIN = 10.0
"""Seconds between two looks for the registration authority's answer: its listener takes few requests."""

_DAY = timedelta(days=1)

_FOLLOW_UPS = (5.0, 15.0, 60.0)
"""Seconds after which an agent without long poll looks for the receipts of what it just sent."""


class Service:
    """The running service."""

    def __init__(self, home: Home) -> None:
        """Prepare to serve; `run` begins."""
        self._home = home
        self._watch = Watch(home.settings.exchange.stable_seconds)
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._news = threading.Event()
        self._directory = threading.Event()
        self._backoff = Backoff(_FIRST_RETRY, home.settings.exchange.retry_seconds)
        self._not_before = 0.0
        self._follow_ups: list[float] = []
        self._outbox: frozenset[Path] = frozenset()
        self._outbox_again = 0.0
        self._work_again = 0.0
        self._bridge_again = 0.0
        self._was_asked = False
        self._answer_after = 0.0
        self._updates_again = 0.0
        self._updates_call = False
        self._machine = _machine_of(home)
        self.activity = Activity()

    def stop(self) -> None:
        """End the loop after what it is doing now; may be called from a signal handler."""
        self._stopping.set()
        self._woken.set()

    def run(self) -> None:
        """Serve until stopped."""
        with page(self._home, self.activity):
            self._run()

    def _run(self) -> None:
        if self._home.keyring.current() is not None:
            self._guarded(self._offline)  # finishes what a kill interrupted; no line is needed for that
        platform.notify_service_manager("READY=1")
        log.info("serving %s, link %s", self._home.party, self._home.settings.link)
        if self._home.settings.link is Link.ONLINE:
            threading.Thread(target=self._listen, name="long poll", daemon=True).start()
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self._turn()
            except _TROUBLE as error:  # already looking whether there is something to do can fail, on a broken disk
                self._failed(error)
            if not self._stopping.is_set():
                self._woken.wait(self._home.settings.exchange.poll_seconds)
        platform.notify_service_manager("STOPPING=1")
        log.info("stopped")

    def _turn(self) -> None:
        if time.monotonic() < self._not_before and not self._home.settings.request_file.exists():
            return
        if self._home.keyring.current() is not None and self._bridge_calls():
            self._guarded(self._tend_bridge)
        if self._home.keyring.current() is not None and time.monotonic() >= self._updates_again:
            self._tend_updates()
        if self._home.keyring.current() is None:
            if time.monotonic() >= self._answer_after:
                self._answer_after = time.monotonic() + _ANSWER_AGAIN
                self._guarded(lambda: enrolment.collect(self._home))
        elif self._home.settings.link is Link.MEDIA:
            if self._outbox_calls() or self._day_is_over():
                self._guarded(self._offline)
        elif reason := self._reason():
            log.log(logging.DEBUG if self._backoff.failures else logging.INFO, "exchanging: %s", reason)
            self._guarded(self._exchange)

    def _reason(self) -> str:
        """Why to exchange now, or nothing."""
        reasons: tuple[tuple[Callable[[], bool], str], ...] = (
            (self._asked, "somebody asked"),
            (lambda: self._backoff.failures > 0, "the last one failed"),
            (self._outbox_calls, "the outbox has something"),
            (self._directory_has_news, "what waits for a terminal, or for what it reads, may go"),
            (self._news.is_set, "the hub has something"),
            (self._spool_calls, "the spool has something"),
            (self._receipts_may_have_come, "receipts may have come"),
            (self._is_due, "it is time"),
            (lambda: self._updates_call, "the updates have something to say, or to ask"),
            (lambda: publishing.is_due(self._home), "horizons are due"),
        )
        return next((text for applies, text in reasons if applies()), "")

    def _asked(self) -> bool:
        try:
            self._home.settings.request_file.unlink()
        except FileNotFoundError:
            return False
        self._was_asked = True
        return True

    def _spool_calls(self) -> bool:
        """Whether a kill left something that an exchange would carry on."""
        calls = time.monotonic() >= self._work_again and self._home.spool.has_work(stamp())
        if calls:
            self._work_again = time.monotonic() + self._home.settings.exchange.retry_seconds
        return calls

    def _receipts_may_have_come(self) -> bool:
        calls = bool(self._follow_ups) and time.monotonic() >= self._follow_ups[0]
        if calls:
            self._follow_ups.pop(0)
        return calls

    def _is_due(self) -> bool:
        settings = self._home.settings.exchange
        done = self._home.spool.fact("exchanged_at")
        due = schedule.last_due(self._home.party, settings.times, settings.jitter_seconds, now())
        return done is None or parse_time(done) < due

    def _day_is_over(self) -> bool:
        """Without a line: whether it is time to look after what gets old, certificates, lists and notices."""
        last = self._home.spool.fact("tended_at")
        return last is None or abs(now() - parse_time(last)) >= _DAY

    def _outbox_calls(self) -> bool:
        """Whether there are files that are still and were not there before; those that had to wait call again later."""
        still = frozenset(c.path for c in candidates(self._home) if _is_still(self._watch, c.path))
        calls = bool(still - self._outbox) or (bool(still) and time.monotonic() >= self._outbox_again)
        self._outbox = still
        if calls:
            self._outbox_again = time.monotonic() + self._home.settings.exchange.retry_seconds
        return calls

    def _directory_has_news(self) -> bool:
        """Whether files lie in the outbox that had to wait, and the hub's directory has changed since."""
        if not self._directory.is_set():
            return False
        self._directory.clear()
        return bool(self._outbox)

    def _bridge_calls(self) -> bool:
        return time.monotonic() >= self._bridge_again and bridge.calls(self._home)

    def _tend_bridge(self) -> None:
        with alone(self._home, _PATIENCE):
            tended = bridge.tend(self._home)
        self._watch.vouch(tended.fetched)
        if tended.away or not (tended.handed or tended.fetched):
            self._bridge_again = time.monotonic() + self._home.settings.exchange.retry_seconds

    def _tend_updates(self) -> None:
        """Carry on the updates of this machine, where it is one that is updated by order."""
        if self._machine is None:
            self._updates_again = float("inf")
            return
        self._updates_again = time.monotonic() + patching.LATER
        turn = patching.tend(self._home, self._machine)
        self._updates_call = turn.exchange
        self._updates_again = time.monotonic() + turn.again

    def _offline(self) -> None:
        with alone(self._home, _PATIENCE):
            take_offline(self._home, self._watch)

    def _exchange(self) -> None:
        with self.activity.exchange(), alone(self._home, _PATIENCE), self._home.connect() as client:
            self._news.clear()
            try:
                outcome = exchange(self._home, client, self._watch, gathered=self._was_asked)
            except (NotAllowed, GatewayNotTrusted):
                renewal.check(self._home)
                raise
            self._was_asked = self._updates_call = False
            self._updates_again = 0.0  # a permit may have come
            renewal.tend(self._home, client)
        if outcome.parcels_sent and self._home.settings.link is not Link.ONLINE:
            begin = time.monotonic()
            self._follow_ups = [begin + seconds for seconds in _FOLLOW_UPS]
        elif not self._home.spool.outgoing.recipients_waiting():
            self._follow_ups = []

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do `work`; when the line or the disk fails, try again, at first soon and then at longer intervals."""
        try:
            work()
        except _TROUBLE as error:
            self._failed(error)
        else:
            if self._backoff.failures:
                log.info("works again after %d failures", self._backoff.failures)
            self._backoff.reset()
            self._not_before = 0.0

    def _failed(self, error: Exception) -> None:
        """Tell of the first of several failures, as loudly as it deserves, and say when to try again."""
        if self._backoff.failures == 0:
            log.log(logging.CRITICAL if isinstance(error, StoreError | OSError) else logging.WARNING, "%s", error)
        asked = error.problem.retry_after if isinstance(error, HubBusy) else None
        self._not_before = time.monotonic() + self._backoff.pause(min(asked or 0.0, _LONGEST_ASKED))

    def _listen(self) -> None:
        """Wait at the hub as long as the service runs; should this fail unforeseen, the service ends with it."""
        try:
            self._wait_at_the_hub()
        finally:
            self.stop()

    def _wait_at_the_hub(self) -> None:
        """Wake the loop when something is there, and let it work before asking again."""
        backoff = Backoff(_FIRST_RETRY, self._home.settings.exchange.retry_seconds)
        while not self._stopping.is_set():
            if self._news.is_set() or self._home.keyring.current() is None:
                self._stopping.wait(0.2)
                continue
            try:
                with self._home.connect() as client:
                    while not self._stopping.is_set() and not self._news.is_set():
                        begin = time.monotonic()
                        page = client.inbox(self._home.spool.cursor.read, limit=1, wait=_HOLD)
                        backoff.reset()
                        early = time.monotonic() - begin < _HOLD - 1
                        if page.items:
                            self._news.set()
                        elif early:
                            self._directory.set()
                        if page.items or early:
                            self._woken.set()
            except (HubError, NotEnrolled, StoreError, OSError):
                self._stopping.wait(backoff.pause())


def _machine_of(home: Home) -> Machine | None:
    """Return the machine that is updated by order; None where the system's updates aren't the agent's."""
    programs = platform.update_tools()
    if programs is None or home.settings.is_ministry:
        return None
    return WindowsUpdate(programs, Places(home.settings.home), from_source=not home.settings.is_offline)


def _is_still(watch: Watch, path: Path) -> bool:
    try:
        return watch.is_still(path)
    except FileNotFoundError:
        return False
