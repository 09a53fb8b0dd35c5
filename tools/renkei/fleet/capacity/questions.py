"""What municipalities asked in 2009 about LGWAN's speed and a day's volume, answered from a simulation."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from renkei.fleet.capacity.country import BYTES_A_KBIT, round_trip
from renkei.fleet.capacity.outcome import Outcome, Result


@dataclass(frozen=True, slots=True)
class Answer:
    """A question and its answer, each in Japanese and in English."""

    question: tuple[str, str]
    answer: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Speed:
    """Endpoints whose lines have one speed.

    Attributes:
        kbps: the speed; 0 of media.
        outcomes: theirs.
        median_hours: from the beginning of delivery until the update is there, of those where it comes.
        longest_hours: the same of the last; None where it never comes to one.
    """

    kbps: int
    outcomes: tuple[Outcome, ...]
    median_hours: float | None
    longest_hours: float | None

    @property
    def late(self) -> int:
        """How many miss a deadline."""
        return sum(bool(each.late) for each in self.outcomes)


def volume(size: float) -> str:
    """Write bytes as GB, or as TB from a thousand GB on."""
    return f"{size / 1e12:.2f} TB" if size >= 1e12 else f"{size / 1e9:.2f} GB"  # noqa: PLR2004 - a thousand GB


def duration(hours: float | None) -> tuple[str, str]:
    """Write hours as people read them, in Japanese and in English."""
    if hours is None:
        return "届かない", "never"
    if hours < 1:
        return f"{hours * 60:.0f}分", f"{hours * 60:.0f} min"
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours:.1f}時間", f"{hours:.1f} h"
    return f"{hours / 24:.1f}日", f"{hours / 24:.1f} d"


def speeds_of(result: Result) -> list[Speed]:
    """Sort the endpoints by their lines' speeds, the slowest first, media last."""
    found: dict[int, list[Outcome]] = {}
    for outcome in result.outcomes:
        found.setdefault(0 if outcome.by_medium else outcome.endpoint.line_kbps, []).append(outcome)
    rows = []
    for kbps in sorted(found, key=lambda each: (each == 0, each)):
        hours = [each.fetch_hours for each in found[kbps] if each.fetch_hours is not None]
        all_came = len(hours) == len(found[kbps])
        middle, longest = median(hours) if hours else None, max(hours) if all_came else None
        rows.append(Speed(kbps, tuple(found[kbps]), middle, longest))
    return rows


def answers(result: Result) -> Iterator[Answer]:
    """Answer テーマ「LGWANネットワークの使用について」ハ and 「バッチ処理の問題について」ハ with figures."""
    notices, month = result.month.notices, result.month
    lines = [each for each in result.outcomes if not each.by_medium]
    if lines:
        yield _speed(result, lines)
    small, large = (2 * notices.exchange_bytes(each) for each in _days(result))
    burst = 2 * notices.exchange_bytes(notices.largest_endpoint_a_day * notices.burst)
    country = notices.country_a_day
    typical = notices.exchange_bytes(notices.small_endpoint_a_day) / notices.small_endpoint_a_day
    total = 2 * country * typical
    yield Answer(
        (
            "翌日バッチで1日1回通信する場合の想定データ量はどの程度か。",
            "How much data is there if one exchange a day carries a day's notices?",
        ),
        (
            (
                f"往復の合計で、1日{notices.small_endpoint_a_day}件ずつの市区町村で{small / 1000:.1f} KB、最大の"
                f"{notices.largest_endpoint_a_day}件ずつで{large / 1000:.1f} KB、その{notices.burst}倍の集中時でも"
                f"{burst / 1000:.0f} KB（実測の1件あたりバイト数による）。全国では1日{country:,.0f}件ずつで"
                f"{total / 1e6:.1f} MB以下。"
            ),
            (
                f"Both ways together {small / 1000:.1f} KB where {notices.small_endpoint_a_day} notices go each way, "
                f"{large / 1000:.1f} KB at the largest endpoint ({notices.largest_endpoint_a_day}), {burst / 1e3:.0f} "
                f"KB on a day with {notices.burst} times that (bytes a notice are measured). The whole country: "
                f"{country:,.0f} notices each way, {total / 1e6:.1f} MB at most."
            ),
        ),
    )
    yield _updates(result, month.cumulative.line_bytes)


def _days(result: Result) -> tuple[int, int]:
    return result.month.notices.small_endpoint_a_day, result.month.notices.largest_endpoint_a_day


def _speed(result: Result, lines: list[Outcome]) -> Answer:
    notices = result.month.notices
    slowest = min(lines, key=lambda each: (each.endpoint.line_kbps, -(each.notices_seconds or 0)))
    seconds = slowest.notices_seconds or 0.0
    kbps = slowest.endpoint.line_kbps
    burst = 2 * notices.exchange_bytes(notices.largest_endpoint_a_day * notices.burst)
    trips = notices.round_trips * round_trip(slowest.endpoint, result.month) / 1000
    burst_seconds = trips + burst / (kbps * BYTES_A_KBIT * result.month.lines.payload)
    return Answer(
        (
            "膨大な量の情報のやりとりをLGWANで円滑に処理できるのか。回線速度も遅く、改修が必要ではないか。",
            "Can LGWAN carry this flood of data? The lines are slow: must they be rebuilt?",
        ),
        (
            (
                f"通知のための改修は要らない。最も遅い{kbps / 1000:g} Mbpsの回線でも、最大の市区町村の1日分（往復各"
                f"{notices.largest_endpoint_a_day}件）の交換は{seconds:.1f}秒、{notices.burst}倍の集中時でも"
                f"{burst_seconds:.1f}秒で終わる。"
            ),
            (
                f"Not for notices: over the slowest line, {kbps / 1000:g} Mbps, a day of the largest endpoint "
                f"({notices.largest_endpoint_a_day} each way) takes {seconds:.1f} s; {notices.burst} times that takes "
                f"{burst_seconds:.1f} s."
            ),
        ),
    )


def _updates(result: Result, size: int) -> Answer:
    total = float(result.country.load.arrivals.sum())
    notices = float(result.course.served[0].sum())
    part = notices / total if total else 0.0
    late, count = len(result.late), len(result.outcomes)
    full = int(result.course.full.sum())
    return Answer(
        (
            "では、回線に重いのは何か。期限は守れるのか。",
            "What is heavy, then, and do the deadlines hold?",
        ),
        (
            (
                f"月間の{volume(total)}のうち通知は{100 * part:.3f}%で、残りはWindows等の更新である（累積更新"
                f"{size / 1e9:.2f} GB）。{count:,}のうち{count - late:,}で期限が守られ、{late:,}で守られない。"
                f"ASPの回線が飽和するのは{full}時間。"
            ),
            (
                f"Of {volume(total)} in the month {100 * part:.3f} % are notices, the rest is updates "
                f"({size / 1e9:.2f} GB the cumulative one). At {count - late:,} of {count:,} endpoints deadlines hold, "
                f"at {late:,} they don't. The ASP's line is full for {full} hours."
            ),
        ),
    )
