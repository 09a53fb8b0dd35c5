"""What a person does about a wave, step by step, with the commands; Japanese and English."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from renkei.fleet.patching.words import Pair
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.report import Progress, Situation, WaveReport
from renkei.fleet.waves.words import ACTS_ON_GROUND

_PERSON: Final = "--as NAME --key FILE"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, and the commands for it; what stands in capitals there is to be filled in."""

    words: Pair
    commands: tuple[str, ...] = ()


def steps(found: WaveReport) -> list[Step]:
    """Return what there is to do now."""
    by_situation = {
        Situation.PLANNED: _planned,
        Situation.APPROVED: _approved,
        Situation.RUNNING: _running,
        Situation.PAUSED: _running,
        Situation.HALTED: _halted,
        Situation.ABORTED: _aborted,
        Situation.FINISHED: _finished,
    }
    return list(by_situation[found.situation](found))


def _planned(found: WaveReport) -> Iterator[Step]:
    planner = found.state.plan.planner
    yield Step(
        (
            f"{planner}以外の担当者が計画を確認し、承認する",
            f"Somebody else than {planner} looks at the plan and approves it",
        ),
        (f"renkei wave approve {found.state.plan.id} {_PERSON} --people FILE",),
    )


def _approved(found: WaveReport) -> Iterator[Step]:
    yield Step(("ウェーブを実行する", "Run the wave"), (_run(found),))


def _running(found: WaveReport) -> Iterator[Step]:
    if found.rows:
        yield Step(
            ("下の「対応が必要な端末」を確認する", "See to the machines below that need a person"),
        )
    yield Step(
        (
            "異常があれば停止する（すでに作業中の端末は最後まで進む）",
            "If something is wrong, halt it: who has begun goes on to the end",
        ),
        (_by_person(found, "halt"),),
    )


def _halted(found: WaveReport) -> Iterator[Step]:
    plan = found.state.plan
    cause = ("更新", "update") if plan.action == "install" else ("アンインストール", "uninstallation")
    if found.grounds:
        for act in dict.fromkeys(ACTS_ON_GROUND[each.kind] for each in found.grounds):
            yield Step((f"上の証拠の端末を調べる：{act[0]}", f"Look at the machines of the evidence above: {act[1]}"))
    elif found.halt is not None and found.halt.person:
        person = found.halt.person
        yield Step((f"停止した{person}に状況を確認する", f"Ask {person}, who halted it, what was seen"))
    else:
        yield Step(("下の端末を調べる", "Look at the machines below"))
    yield Step(
        (
            f"{cause[0]}が原因でないとき：再開し、実行し直す。再開後の結果だけで判定する",
            f"Not the {cause[1]}'s fault: resume it and run it again; it is judged by what comes after",
        ),
        (_by_person(found, "resume"), _run(found)),
    )
    back = _take_back(plan)
    yield Step(
        (
            f"{cause[0]}が原因のとき：中止し、"
            + ("適用済みの端末から取り除くウェーブを計画する" if back else "原因を除いて計画し直す"),
            f"The {cause[1]}'s fault: abort it; then "
            + ("plan a wave that takes it away again" if back else "plan anew once the cause is removed"),
        ),
        (_by_person(found, "abort"), *back),
    )


def _aborted(found: WaveReport) -> Iterator[Step]:
    yield Step(
        (
            "ウェーブを実行していなかったときは一度実行する：残った指示を取り下げ、作業中だった端末の結果を受け取る",
            "If no controller ran, run it once more: it takes orders back, and takes what machines came to",
        ),
        (_run(found),),
    )
    if found.whole.counts.get(Progress.WELL) and (back := _take_back(found.state.plan)):
        yield Step(
            (
                "更新が原因だったとき：取り除くウェーブを計画する",
                "If it was the update's fault: plan a wave that takes it away",
            ),
            back,
        )


def _finished(found: WaveReport) -> Iterator[Step]:
    if found.rows:
        yield Step(
            (
                "下の端末に対応し、次のウェーブに入れる",
                "See to the machines below, and plan them into the next wave",
            )
        )
    else:
        yield Step(("対応は不要です", "Nothing is to be done"))


def _by_person(found: WaveReport, verb: str) -> str:
    return f"renkei wave {verb} {found.state.plan.id} --as NAME --why WHY"


def _run(found: WaveReport) -> str:
    reached = any(host.direct for host in found.state.plan.hosts)
    others = any(not host.direct for host in found.state.plan.hosts)
    ways = " --hub URL --chain FILE" if others else ""
    ways += " --playbook FILE --inventory PATH" if reached else ""
    return f"renkei wave run {found.state.plan.id}{ways} --key FILE --people FILE"


def _take_back(plan: Plan) -> tuple[str, ...]:
    """The commands that plan the wave which undoes this one; none where it undid something itself."""
    if plan.action == "uninstall":
        return ()
    if plan.packages:
        return (f"renkei wave plan-linux --uninstall --packages FILE --found FOLDER {_PERSON}",)
    required = {kb for update in plan.updates for kb in update.requires}  # may have been there before this wave
    kbs = " ".join(f"--kb {update.kb}" for update in plan.updates if update.kb not in required)
    return (f"renkei wave plan --uninstall {kbs} --catalogue FILE {_PERSON}",)
