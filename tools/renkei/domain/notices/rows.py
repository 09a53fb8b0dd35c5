"""A notice as a store keeps it: its items as text, by Japanese name, in JSON."""

import json

from renkei.domain.notices.base import InvalidNotice, Notice


def row_of(notice: Notice) -> str:
    """Write a notice down."""
    return json.dumps({name: value for name, value in notice.to_row().items() if value}, ensure_ascii=False)


def notice_of(notice_type: type[Notice], row: str) -> Notice:
    """Read a notice that `row_of` wrote.

    Raises:
        InvalidNotice: it breaks a rule that newer software brought.
    """
    notice, findings = notice_type.parse(json.loads(row))
    if notice is None:
        raise InvalidNotice(findings)
    return notice
