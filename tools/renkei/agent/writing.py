"""Received notices in the layout that the endpoint's settings name."""

from collections.abc import Sequence

from renkei.agent.home import Home
from renkei.domain.layouts import write_anyway
from renkei.domain.notices import Notice


def write_notices(home: Home, subject: str, notices: Sequence[Notice]) -> bytes:
    """Write notices of one type; what the layout's character set can't hold makes the file UTF-8, and is an alarm.

    Args:
        home: of the agent.
        subject: what the alarm is about; it is part of its text.
        notices: in order.
    """
    content, why = write_anyway(notices, home.settings.layout)
    if why is not None:
        home.alarm("layout", subject, f"{subject} is written in UTF-8: {why}")
    return content
