"""Inquiries and results of this terminal's own making.

A 状態照会 is answered by a result: 取込済, エラー, 未取込 or 不明. A 再送依頼 is answered by the notice itself, under
its own number but in a new message: the recipient knows the number, so that nothing is imported twice. What isn't
held any more, or was never sent, is answered by 不明.
"""

from uuid import uuid4

from renkei.agent.home import Home, now, stamp
from renkei.agent.register.rows import row_of
from renkei.agent.settings import JST
from renkei.domain.notices import ImportResult, Inquiry, Notice
from renkei.domain.notices.results import FAILED, IMPORTED, PENDING, RESEND, STATE, UNKNOWN, WHOLE
from renkei.exchange import encoding
from renkei.exchange.parcels import SALT
from renkei.exchange.parties import MINISTRY
from renkei.store.dispatches import Waiting
from renkei.store.standings import Import, Standing

_REASONS = {
    Standing.UNCONFIRMED: "職員の確認を待っています。",
    Standing.BEHIND: "同じ人の先の通知を待っています。",
    Standing.READY: "住民記録システムへの引渡しを待っています。",
    Standing.HANDED: "住民記録システムの取込結果を待っています。",
}


def answer_to(home: Home, inquiry: Inquiry) -> Waiting:
    """What goes back to the ministry at the next exchange."""
    if inquiry.kind == RESEND:
        held = held_notice(home, inquiry.target)
        if held is not None:
            return waiting(held)
        return waiting(result(home, inquiry.target, UNKNOWN, reason="この通知は端末に保管されていません。"))
    return waiting(state_of(home, inquiry.target))


def state_of(home: Home, number: str) -> ImportResult:
    """What is known here of a notice of the ministry."""
    found = home.spool.imports.find(number)
    if found is None:
        return result(home, number, UNKNOWN, reason="この番号の通知は届いていません。")
    return result_of(home, found)


def result_of(home: Home, found: Import) -> ImportResult:
    """The result that says how a notice stands."""
    match found.standing:
        case Standing.IMPORTED | Standing.PASSED:
            return result(home, found.number, IMPORTED)
        case Standing.FAILED | Standing.REFUSED:
            reason = found.reason or "理由の記載がありません。"
            return result(home, found.number, FAILED, found.error_item or WHOLE, reason)
        case standing:
            return result(home, found.number, PENDING, reason=_REASONS[standing])


def result(
    home: Home, target: str, outcome: str, error_item: str | None = None, reason: str | None = None
) -> ImportResult:
    """Make a result of today."""
    return ImportResult(
        number=_number("A"),
        municipality=home.party,
        target=target,
        result=outcome,
        error_item=error_item,
        reason=reason,
        processed_on=now().astimezone(JST).date(),
    )


def ask(home: Home, target: str, *, resend: bool) -> Inquiry:
    """Ask the ministry about a notice at the next exchange.

    Args:
        home: of an endpoint's agent.
        target: the notice's number.
        resend: ask for a notice of the ministry once more; otherwise what became of one sent from here.

    Raises:
        InvalidNotice: the target is no notice's number.
    """
    made = Inquiry(number=_number("Q"), municipality=home.party, kind=RESEND if resend else STATE, target=target)
    if resend:
        home.spool.imports.ask_again(target)
    home.spool.dispatches.let_wait(waiting(made), stamp())
    return made


def waiting(notice: Notice) -> Waiting:
    """Let a notice wait for the next exchange with the ministry."""
    return Waiting(
        number=notice.number,
        recipient=MINISTRY,
        stream=notice.STREAM,
        type=notice.TYPE,
        mode="immediate",
        why="answer",
        release_at=stamp(),
        row=row_of(notice),
    )


def held_notice(home: Home, number: str) -> Notice | None:
    """A notice sent from here, as long as its message is held; None when it isn't."""
    message_id = home.spool.dispatches.message_of(number)
    message = home.spool.outgoing.message(message_id) if message_id else None
    if message is None or message.content is None:
        return None
    return next((each for each in encoding.decode(message.content[SALT:]).notices if each.number == number), None)


def _number(kind: str) -> str:
    """A number that nobody else makes: the day, and enough of a random UUID."""
    return f"{kind}{now().astimezone(JST):%Y%m%d}-{uuid4().hex[:20]}"
