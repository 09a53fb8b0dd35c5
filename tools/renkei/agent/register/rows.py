"""A notice as the spool keeps it: its type by name, its items as JSON (`domain.notices.rows`)."""

from renkei.domain.notices import TYPES, Notice, rows
from renkei.domain.notices.rows import row_of

__all__ = ["notice_of", "row_of"]

_BY_TYPE = {notice_type.TYPE: notice_type for notice_type in TYPES}


def notice_of(notice_type: str, row: str) -> Notice:
    """Read a notice that `row_of` wrote.

    Raises:
        InvalidNotice: it breaks a rule that newer software brought.
    """
    return rows.notice_of(_BY_TYPE[notice_type], row)
