"""What the connector itself says to municipalities: answers to inquiries, refusals, requests to send again.

Each is kept in the transaction of what it follows from, and goes as a file of its type to the agent's outbox.
"""

from datetime import date
from uuid import uuid4

import apsw

from renkei.domain.layouts import Layout, write
from renkei.domain.notices import TYPES, ImportResult, Inquiry, Notice
from renkei.domain.notices.results import FAILED, IMPORTED, PENDING, RESEND, UNKNOWN, WHOLE
from renkei.domain.notices.rows import notice_of, row_of
from renkei.ministry.cases import Fate
from renkei.ministry.folders import Folders
from renkei.ministry.handover import Handover, Output
from renkei.store.queries import fetch

SCHEMA = """
create table replies (
    id integer primary key autoincrement,
    place text not null,
    type integer not null,
    row text not null
) strict;
"""

_AT_ONCE = 10_000
_PENDING = {
    "waiting": "同じ人についての先の通知を待っています。",
    "handed": "入管システムの取込結果を待っています。",
    "unknown": "入管システムに該当する人が見つからないため、保留しています。",
}


def keep(connection: apsw.Connection, reply: Notice) -> None:
    """Keep a reply until it goes."""
    connection.execute(
        "insert into replies (place, type, row) values (?, ?, ?)",
        (reply.municipality, TYPES.index(type(reply)), row_of(reply)),
    )


def send(handover: Handover, folders: Folders) -> int:
    """Hand all replies over to the agent; return how many."""
    sent = 0
    while found := handover.read(
        lambda connection: fetch(
            connection, "select id, place, type, row from replies order by id limit ?", (_AT_ONCE,)
        )
    ):
        parts: dict[tuple[str, int], list[Notice]] = {}
        for _, place, kind, row in found:
            parts.setdefault((place, kind), []).append(notice_of(TYPES[kind], row))
        last = found[-1][0]
        layout = Layout()
        outputs = [
            Output(folders.endpoint(place), f"{TYPES[kind].NAME}{layout.suffix}", write(part, layout))
            for (place, kind), part in parts.items()
        ]

        def done(connection: apsw.Connection, last: int = last) -> None:
            connection.execute("delete from replies where id <= ?", (last,))

        handover.hand_over([], outputs, done)
        sent += len(found)
    return sent


def answer(inquiry: Inquiry, fate: Fate | None, today: date) -> ImportResult:
    """Answer a municipality's 状態照会 from what is known here of its notice."""
    if fate is None:
        return _result(inquiry.municipality, inquiry.target, UNKNOWN, today, reason="この番号の通知は届いていません。")
    processed = date.fromisoformat(fate.processed_on) if fate.processed_on else today
    match fate.state:
        case "imported":
            return _result(inquiry.municipality, inquiry.target, IMPORTED, processed)
        case "failed":
            item, reason = fate.error_item or WHOLE, fate.reason or "理由の記載がありません。"
            return _result(inquiry.municipality, inquiry.target, FAILED, processed, reason=reason, item=item)
        case "replaced":
            reason = "訂正の通知に置き換えられました。"
            return _result(inquiry.municipality, inquiry.target, FAILED, today, reason=reason, item=WHOLE)
        case state:
            return _result(inquiry.municipality, inquiry.target, PENDING, today, reason=_PENDING[state])


def refusal(notice: Notice, today: date) -> ImportResult:
    """Refuse a notice whose number was used for another one."""
    reason = "この通知番号は別の内容の通知に使われています。新しい番号を付けて送ってください。"
    return _result(notice.municipality, notice.number, FAILED, today, reason=reason, item="通知番号")


def ask_again(municipality: str, target: str) -> Inquiry:
    """Ask a municipality to send a notice once more (再送依頼)."""
    return Inquiry(number=_number("Q"), municipality=municipality, kind=RESEND, target=target)


def _result(
    municipality: str, target: str, result: str, day: date, *, reason: str | None = None, item: str | None = None
) -> ImportResult:
    return ImportResult(
        number=_number("A"),
        municipality=municipality,
        target=target,
        result=result,
        error_item=item,
        reason=reason,
        processed_on=day,
    )


def _number(kind: str) -> str:
    """Make a number that nobody else at the ministry makes: RENKEI, and enough of a random UUID."""
    return f"RENKEI-{kind}-{uuid4().hex[:24]}"
