"""A wave, turn by turn: take what was heard, judge it, then halt or let the next machines begin.

    engine = Engine(ledger, state, Ministry(signer, believe), post)
    while engine.turn(datetime.now(UTC)).phase is Phase.RUNNING: …

All that a turn decides goes into the ledger in one transaction, after a look at what others (`wave halt`) have put
there; only then is it sent, and what was heard settled. A kill in between costs a repetition and nothing else: what is
sent again is the same, and what is heard again has its end already.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from renkei.domain.halting import Fault
from renkei.exchange.bindings import DirectoryEntry, VerifiedParty
from renkei.exchange.clock import format_time, parse_time, whole_seconds
from renkei.exchange.direct import DirectOrder, Observation
from renkei.exchange.documents import Signer, payload_sha256
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import PERMIT_LASTS, Order, PatchState, Permit, Window
from renkei.fleet.waves.grounds import halt
from renkei.fleet.waves.overdue import end_by_time, end_overdue, silent
from renkei.fleet.waves.plan import MEDIA_GROUP, Plan, PlannedHost
from renkei.fleet.waves.post import Heard, Post
from renkei.fleet.waves.state import STALE, WELL, HostState, Phase, WaveState
from renkei.fleet.waves.watch import Watch
from renkei.store.waves.ledger import Act, Ledger

_CHANGES_POST: Final = frozenset({"order", "permit", "end", "abort"})
_FRESH: Final = PERMIT_LASTS
"""A machine's `ready` is of this age at most: what it checked holds no longer, or its clock is wrong."""


Said = PatchState | Observation
"""A machine's own word, or what a play saw on one that Ansible reaches."""


class WaveError(ValueError):
    """A wave that isn't there, or that isn't in a state for what was asked; the message says which."""


@dataclass(frozen=True, slots=True)
class Ministry:
    """Who signs orders and permits, and whom he believes.

    Attributes:
        signer: the authority's key.
        believe: returns whom a directory entry stands for, or raises an `ExchangeError`.
    """

    signer: Signer
    believe: Callable[[DirectoryEntry, datetime], VerifiedParty]


def load(ledger: Ledger, wave: str) -> WaveState:
    """Return where a wave stands.

    Raises:
        WaveError: there is no such wave.
    """
    plan = ledger.plan_of(wave)
    if plan is None:
        known = ", ".join(each for each, _ in ledger.waves()) or "none"
        raise WaveError(f"there is no wave {wave}; the ledger has {known}")
    return WaveState(Plan.read(plan)).take(ledger.acts(wave))


def held_by_others(ledger: Ledger, wave: str, terminals: Collection[str], now: datetime) -> dict[str, list[str]]:
    """Return those of some machines that other waves hold, by wave, once aborted ones have let go of who is overdue.

    An aborted wave may have no controller any more: who has its permit and is never heard of again ends here.
    """
    held = ledger.held(wave, terminals)
    for other in held:
        if any(act.what == "abort" for act in ledger.acts(other)):
            end_overdue(ledger, load(ledger, other), now)
    return ledger.held(wave, terminals) if held else held


def act_of_person(
    ledger: Ledger, state: WaveState, act: Act, phases: frozenset[Phase], holds: Collection[str] = ()
) -> WaveState:
    """Write down what a person does with a wave: approve, halt, resume, abort.

    Args:
        ledger: where.
        state: as it was loaded; what has happened since counts.
        act: what he does.
        phases: in which the wave must be.
        holds: the machines that the wave holds by it.

    Raises:
        WaveError: the wave is in another one; nothing was written.
        Held: another wave holds some of the machines; nothing was written.
    """
    draft = state.copy()

    def decide(news: list[Act]) -> list[Act]:
        nonlocal draft
        draft = state.copy().take(news)
        if draft.phase not in phases:
            raise WaveError(
                f"wave {state.plan.id} is {draft.phase}; {act.what} needs one that is {' or '.join(sorted(phases))}"
            )
        draft.take([act])
        return [act]

    return state.take(ledger.add(str(state.plan.id), state.seen, decide, holds, lambda: draft.freed))


class Engine:
    """The one who runs a wave. Several may: what one has decided the other finds in the ledger."""

    def __init__(
        self, ledger: Ledger, state: WaveState, ministry: Ministry, post: Post, watch: Watch | None = None
    ) -> None:
        """Go on where the ledger stands; what may not have been sent is sent again.

        Args:
            ledger: of waves.
            state: as it was loaded.
            ministry: who signs and believes.
            post: who carries.
            watch: what the hub sees of exchanges; None where no hub carries.
        """
        self._ledger, self.state, self._ministry, self._post = ledger, state, ministry, post
        self._watch = watch
        self._unsure: set[str] = set(state.hosts)

    def turn(self, now: datetime) -> WaveState:
        """Do what is to be done now; return where the wave stands."""
        heard = [(each, self._open(each, now)) for each in self._post.heard()]
        said = [each for _, each in heard if each is not None and self._is_of_wave(each[0])]
        if self._watch is not None:
            self._watch.look(now)
        draft = self.state

        def decide(news: list[Act]) -> list[Act]:
            nonlocal draft
            draft = self.state.copy().take(news)
            seen = self._watch.acts(draft, now) if self._watch is not None else ()
            return _Turn(draft, now, self._ministry.signer).decide(said, seen)

        for act in self._ledger.add(str(self.state.plan.id), self.state.seen, decide, frees=lambda: draft.freed):
            draft.seen = max(draft.seen, act.number)
            if act.what in _CHANGES_POST:
                self._unsure |= {act.terminal} if act.terminal else set(draft.hosts)
        for terminal in [name for name in draft.hosts if name in self._unsure]:
            self._send(draft, terminal, now)
            self._unsure.remove(terminal)
        for each, patch in heard:
            self._post.settle(each.name, refused=patch is None)
        self.state = draft
        return draft

    def _send(self, wave: WaveState, terminal: str, now: datetime) -> None:
        """Have with the post what a terminal should find there: a permit only while it and the wave hold."""
        state = wave.hosts[terminal]
        endpoint = state.host.endpoint
        if state.envelope and (state.end or wave.phase is Phase.ABORTED):
            self._post.withdraw(endpoint, terminal, str(order_id(wave.plan.id, terminal)))
        elif state.envelope:
            self._post.send(endpoint, terminal, "order", state.envelope)
            if state.permit_ends is not None and now < state.permit_ends and wave.phase is Phase.RUNNING:
                self._post.send(endpoint, terminal, "permit", state.permit)

    def _open(self, heard: Heard, now: datetime) -> tuple[Said, bytes] | None:
        """Return what a machine said, or a play saw there; None when it can't be believed."""
        said: Said
        try:
            if heard.entry is None:  # seen by this controller
                said = Observation.open(heard.envelope, self._ministry.signer.public_key)
            else:
                party = self._ministry.believe(heard.entry, now)
                said = PatchState.open(heard.envelope, party.signing_public_key)
                if (said.endpoint, said.terminal) != (party.party, party.terminal):
                    return None
        except ExchangeError:
            return None
        return said, heard.envelope

    def _is_of_wave(self, patch: Said) -> bool:
        """Tell whether it is of a machine of this wave; the others' words wait for nothing here."""
        host = self.state.hosts.get(patch.terminal)
        return host is not None and host.host.endpoint == patch.endpoint


class _Turn:
    """What one turn decides. Each act is taken into the state at once, so that the next sees it."""

    def __init__(self, state: WaveState, now: datetime, signer: Signer) -> None:
        self._state, self._now, self._signer = state, whole_seconds(now), signer
        self._at = int(self._now.timestamp())
        self._acts: list[Act] = []
        self._rule = state.plan.rule()

    def decide(self, said: list[tuple[Said, bytes]], seen: Iterable[Act] = ()) -> list[Act]:
        asking = [patch for patch, envelope in said if self._hear(patch, envelope)]
        for act in seen:  # each is counted with those before it noted
            self._note(act)
        for state in [each for each in self._state.hosts.values() if not each.end]:
            self._watch(state)
        if self._goes_on():
            self._order()
            on_media = self._state.on_media if asking else {}
            for patch in asking:
                self._permit(patch, on_media)
        return self._acts

    def _goes_on(self) -> bool:
        """Halt the wave if there is reason to; return whether anybody may begin."""
        if self._state.phase not in {Phase.APPROVED, Phase.RUNNING}:
            return False
        if reasons := self._rule.judge(self._state.tally, self._state.failures):
            self._note(halt(reasons, self._state))
        return not reasons

    def _note(self, act: Act) -> None:
        act = Act(act.what, act.terminal, act.detail, act.document, self._at)
        self._acts.append(act)
        self._state.take([act])

    def _hear(self, patch: Said, envelope: bytes) -> bool:
        """Take what a terminal says of its order; return whether it asks for a permit.

        A machine begins by its own clock before its permit ends. If by that clock it asks again afterwards, the permit
        was lost or the controller away: it has not begun, and will not without another. What it asked long ago, or by a
        wrong clock, gets none: `stale` stands in the ledger instead.
        """
        state = self._state.hosts[patch.terminal]
        if isinstance(patch, Observation) != bool(state.host.direct):
            return False
        if state.order is None or patch.answers != state.order.id or patch.checked_at < state.order.issued_at:
            return False
        if state.heard is not None and patch.checked_at < state.heard:
            return False  # it has said something since, and this is read a second time
        if patch.stage == "ready" and abs(self._now - patch.checked_at) > _FRESH:
            if state.stage != STALE:
                self._note(Act("state", patch.terminal, STALE, envelope))
            return False
        if patch.stage == "ready":
            if state.is_away and state.permit_ends is not None and patch.checked_at >= state.permit_ends:
                self._note(Act("state", patch.terminal, "ready", envelope))
            return True
        if patch.stage in {"done", "lost"} and not state.end:
            self._note(Act("end", patch.terminal, self._outcome(patch, state), envelope))
        elif patch.stage != state.stage:
            self._note(Act("state", patch.terminal, patch.stage, envelope))
        return False

    def _outcome(self, patch: Said, state: HostState) -> str:
        assert state.order is not None  # noqa: S101 - only who has an order answers one
        if patch.stage == "lost":
            return silent(state)
        if not patch.fulfils(state.order):
            return Fault.FAILED
        before = parse_time(state.asked_at) if state.asked_at else state.order.issued_at
        exchanged = patch.exchanged_at is not None and patch.exchanged_at > before
        return WELL if exchanged else Fault.NO_EXCHANGE

    def _watch(self, state: HostState) -> None:
        """End whose time is over."""
        if end := end_by_time(state, self._state.plan, self._now):
            self._note(Act("end", state.host.terminal, end))

    def _order(self) -> None:
        """Give orders to the group whose turn it is; on media only as many as may be away."""
        group = self._state.group(self._now)
        for state in [each for each in self._state.hosts.values() if not (each.order or each.end)]:
            host = state.host
            if host.group != group:
                continue
            permit = host.group != MEDIA_GROUP
            if not permit and not self._rule.room(self._state.tally, host.model):
                continue
            windows = [window for window in host.windows if window.closes > self._now]
            if not windows:
                continue
            order = self._order_for(host, windows, permit=permit)
            self._note(Act("order", host.terminal, document=order.sign(self._signer)))

    def _order_for(self, host: PlannedHost, windows: list[Window], *, permit: bool) -> Order | DirectOrder:
        plan = self._state.plan
        words: dict[str, Any] = {
            "endpoint": host.endpoint,
            "terminal": host.terminal,
            "id": order_id(plan.id, host.terminal),
            "wave": plan.id,
            "action": plan.action,
            "updates": plan.updates,
            "windows": windows,
            "minutes": plan.minutes,
            "permit": permit,
            "issued_at": self._now,
            "expires": windows[-1].closes,
        }
        return DirectOrder(**words, packages=plan.packages) if host.direct else Order(**words)

    def _permit(self, patch: Said, on_media: Mapping[str, int]) -> None:
        """Let a machine begin, if its window is long enough and there is room for one more that is away.

        Who has a permit gets none again before it has said that it let that one pass. Those on media are away for days
        and take the place of nobody who has a line.
        """
        state = self._state.hosts[patch.terminal]
        order = state.order
        if order is None or state.end or not order.permit or state.started_at is not None:
            return
        window = order.open_at(self._now)
        if window is None or (expires := self._until(window)) <= self._now:
            return
        if not self._rule.room(self._state.tally.without(on_media), state.host.model):
            return
        permit = Permit(
            endpoint=order.endpoint,
            terminal=order.terminal,
            order=order.id,
            order_sha256=payload_sha256(state.envelope),
            given_at=self._now,
            expires=expires,
        )
        document = permit.sign(self._signer)
        self._note(Act("permit", patch.terminal, format_time(patch.checked_at), document))

    def _until(self, window: Window) -> datetime:
        return min(self._now + PERMIT_LASTS, window.closes - timedelta(minutes=self._state.plan.minutes))


def order_id(wave: UUID, terminal: str) -> UUID:
    """Return the id of a terminal's order in a wave: there is one."""
    return uuid5(wave, terminal)
