"""The page of `renkei capacity`: one HTML file, Japanese with an English switch, readable without a network.

Every endpoint's line by day and hour lies in it as well, a byte an hour (percent of the line), deflated.
"""

import base64
import zlib
from pathlib import Path

import numpy as np
from markupsafe import Markup

from renkei.evidence.capacity_plot import svg
from renkei.evidence.pages import put_page
from renkei.fleet.capacity.outcome import Outcome, Result
from renkei.fleet.capacity.questions import answers, duration, speeds_of, volume

#: What an assumption is about, as the page names it; updates have titles of their own.
ABOUT = {
    "patterns": ("ウイルス定義", "antivirus patterns"),
    "installation": ("適用作業", "installation"),
    "notices": ("通知", "notices"),
    "lines": ("回線", "lines"),
    "media": ("媒体", "media"),
    "deadlines": ("期限", "deadlines"),
}
LATE = {"update": ("更新", "update"), "patterns": ("ウイルス定義", "patterns")}


def write_page(result: Result, target: Path) -> None:
    """Render the page and put it in place at once."""
    clock, load = result.country.clock, result.country.load
    put_page(
        target,
        "renkei.evidence",
        "capacity.html.j2",
        result=result,
        late=result.late,
        late_words=LATE,
        about=ABOUT | {each.name: each.title for each in result.month.updates},
        cases=_cases(result.late),
        speeds=speeds_of(result),
        answers=list(answers(result)),
        plots=[Markup(svg(result, language=language)) for language in (0, 1)],  # noqa: S704 - our own drawing
        usable_mbps=load.egress * 8 / 3600 / 1e6,
        total=volume(load.arrivals.sum()),
        full_hours=int(result.course.full.sum()),
        duration=duration,
        first=clock.first,
        days=clock.days,
        data=_percent(result),
        columns={endpoint.code.value: place for place, endpoint in enumerate(result.country.by_line)},
    )


def _cases(late: list[Outcome]) -> list[tuple[Outcome, list[Outcome]]]:
    """Put together who needs the same change, the most first: one of them, and all."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for each in late:
        key = each.by_medium or each.endpoint.line_kbps, each.late, each.advice
        groups.setdefault(key, []).append(each)
    return [(members[0], members) for members in sorted(groups.values(), key=lambda each: -len(each))]


def _percent(result: Result) -> str:
    """Give every line's hours, endpoint by endpoint, in percent rounded up, so that a little isn't nothing."""
    used = result.course.served.sum(axis=0) / result.country.load.line
    percent = np.ceil(np.clip(100 * used, 0, 100)).astype(np.uint8)
    return base64.b64encode(zlib.compress(percent.T.tobytes(), 9)).decode()
