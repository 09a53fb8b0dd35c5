"""A notice as the spool keeps it: its items as text, by Japanese name, in JSON."""

import json

from renkei.domain.notices import TYPES, InvalidNotice, Notice

_BY_TYPE = {notice_type.TYPE: notice_type for notice_type in TYPES}


def row_of(notice: Notice) -> str:
    """Write a notice down."""
    return json.dumps({name: value for name, value in notice.to_row().items() if value}, ensure_ascii=False)


def notice_of(notice_type: str, row: str) -> Notice:
    """Read a notice that `row_of` wrote.

    Raises:
        InvalidNotice: it breaks a rule that newer software brought.
    """
    notice, findings = _BY_TYPE[notice_type].parse(json.loads(row))
    if notice is None:
        raise InvalidNotice(findings)
    return notice
