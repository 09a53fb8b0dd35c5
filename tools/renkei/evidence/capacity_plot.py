"""The plot of a simulated month: the ASP's line by hour, who is done by when, and what a line's speed means.

One drawing for all uses: PNG for reports, and SVG for the page, whose text stays text in the reader's own font.
Japanese is drawn with IPAex Gothic, of Debian's package fonts-ipaexfont-gothic, which ./kit installs.
"""

import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.ticker import NullLocator

from renkei.fleet.capacity.outcome import Result
from renkei.ministry.files import replace

FONT_FILE: Final = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
_INK, _SOFT, _GRID, _LIMIT = "#1d2733", "#5b6877", "#dde3ea", "#b3261e"
_COLOURS = ("#7a6a00", "#1a7f4b", "#2f6fb5", "#8a5fb0", "#c2703d", "#4d8f8b")
_MOST_MARKS: Final = 12
#: Place in the tuple → language: 0 Japanese, 1 English.
_WORDS = {
    "egress": ("ASPの回線（Mbps）", "the ASP's line (Mbps)"),
    "usable": ("利用できる上限", "usable"),
    "notices": ("通知", "notices"),
    "patterns": ("ウイルス定義", "antivirus patterns"),
    "installed": ("適用済みの市区町村（%）", "endpoints that are up to date (%)"),
    "deadline": ("期限", "deadline"),
    "fetch": ("累積更新の取得（時間）", "the cumulative update takes (hours)"),
    "speed": ("市区町村の回線（Mbps）", "the endpoint's line (Mbps)"),
    "late": ("期限に遅れる", "late"),
    "in_time": ("期限内", "in time"),
}


class PlotError(Exception):
    """The plot can't be drawn; the text says why and what to do."""


def write_plot(result: Result, target: Path, *, english: bool = False) -> None:
    """Draw a month as PNG, in Japanese or in English.

    Raises:
        PlotError: the Japanese font isn't there.
    """
    language = int(english)
    buffer = io.BytesIO()
    with mpl.rc_context({"font.family": _family(language)}):
        draw(result, language=language).savefig(buffer, format="png", dpi=150)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, buffer.getvalue(), 0o644)


def svg(result: Result, *, language: int) -> str:
    """Draw a month as an SVG element, whose text is text and whose identifiers are unlike the other language's.

    Raises:
        PlotError: the Japanese font, by which the texts are measured, isn't there.
    """
    buffer = io.StringIO()
    family, salt = _family(language), f"renkei-{language}"
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": family}):
        draw(result, language=language).savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", text)  # the page has fonts for the reader
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>l{language}-", text)


def _family(language: int) -> str:
    if language:
        return "DejaVu Sans"  # comes with matplotlib
    if not FONT_FILE.exists():
        raise PlotError(f"{FONT_FILE}: isn't there; install Debian's package fonts-ipaexfont-gothic")
    fontManager.addfont(FONT_FILE)
    return FontProperties(fname=FONT_FILE).get_name()


def draw(result: Result, *, language: int) -> Figure:
    """Draw the three panels: language 0 is Japanese, 1 English."""
    figure = Figure(figsize=(10, 10.5), layout="constrained", facecolor="white")
    above, middle, below = figure.subplots(3, 1, height_ratios=(1.1, 1, 1))
    _egress(above, result, language)
    _installed(middle, result, language)
    _speeds(below, result, language)
    for axes in (above, middle, below):
        axes.grid(visible=True, color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_SOFT, labelcolor=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_SOFT)
    return figure


def _egress(axes: Axes, result: Result, language: int) -> None:
    by_kind = result.course.served.sum(axis=2) * 8 / 3600 / 1e6
    titles = {each.name: each.title[language] for each in result.month.updates}
    names = [titles.get(kind) or _WORDS[kind][language] for kind in result.country.kinds]
    days = np.arange(by_kind.shape[1]) / 24
    # steps: what a simulation by the hour knows
    axes.stackplot(days, *by_kind, labels=names, colors=_COLOURS[: len(names)], step="post", linewidth=0)
    usable = result.country.load.egress * 8 / 3600 / 1e6
    axes.axhline(usable, color=_LIMIT, linestyle="--", linewidth=1.2, label=_WORDS["usable"][language])
    axes.set_ylabel(_WORDS["egress"][language], color=_INK)
    axes.set_ylim(0, max(usable, float(by_kind.sum(axis=0).max(initial=0))) * 1.25)
    axes.legend(loc="upper center", frameon=False, ncols=len(names) + 1, fontsize=9)
    _days(axes, result)


def _installed(axes: Axes, result: Result, language: int) -> None:
    clock = result.country.clock
    for place, ring in enumerate(result.fleet.settings.rings):
        members = [each for each in result.outcomes if each.endpoint.ring == ring]
        if not members:
            continue
        done = sorted(clock.since(each.installed_at) / 24 for each in members if each.installed_at)
        shares = np.arange(1, len(done) + 1) * 100 / len(members)
        label = f"{ring} ({len(members):,})"
        axes.step([0, *done, clock.days], [0, *shares, shares[-1] if done else 0], where="post", label=label,
            color=_COLOURS[place % len(_COLOURS)], linewidth=1.8)  # fmt: skip
    axes.axvline(result.country.deadline / 24, color=_LIMIT, linestyle="--", label=_WORDS["deadline"][language])
    axes.set_ylabel(_WORDS["installed"][language], color=_INK)
    axes.set_ylim(0, 103)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    _days(axes, result)


def _speeds(axes: Axes, result: Result, language: int) -> None:
    for late, colour, marker, word in ((False, _COLOURS[2], "o", "in_time"), (True, _LIMIT, "x", "late")):
        chosen = [
            each
            for each in result.outcomes
            if not each.by_medium and each.fetch_hours is not None and ("update" in each.late) is late
        ]
        if chosen:
            speeds = [each.endpoint.line_kbps / 1000 for each in chosen]
            hours = [max(each.fetch_hours or 0, 1 / 60) for each in chosen]
            label = f"{_WORDS[word][language]} ({len(chosen):,})"
            axes.scatter(speeds, hours, s=14, alpha=0.5, color=colour, marker=marker, label=label, linewidths=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    known = sorted({each.endpoint.line_kbps / 1000 for each in result.outcomes if not each.by_medium})
    if len(known) <= _MOST_MARKS:
        axes.set_xticks(known)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(_WORDS["speed"][language], color=_INK)
    axes.set_ylabel(_WORDS["fetch"][language], color=_INK)
    if axes.collections:
        axes.legend(loc="upper right", frameon=False, fontsize=9)


def _days(axes: Axes, result: Result) -> None:
    """Name the days below; those on which offices of the default rule are closed lie in the shade."""
    clock = result.country.clock
    axes.set_xlim(0, clock.days)
    marks = range(0, clock.days, 3)
    labels = [f"{clock.first + timedelta(days=day):%m/%d}" for day in marks]
    axes.set_xticks(list(marks), labels)
    working = set(next(iter(result.country.habits.values())).working_days)
    for day in range(clock.days):
        if day not in working:
            axes.axvspan(day, day + 1, color="#eef1f5", zorder=0, linewidth=0)
