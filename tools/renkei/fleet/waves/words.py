"""How the page of a wave says it: names of what is on it, why it stands, what a person does; Japanese and English."""

from typing import Final

from renkei.domain.halting import Reason
from renkei.exchange.text import printable
from renkei.exchange.update_problems import read
from renkei.exchange.updates import Action
from renkei.fleet.patching.words import Pair, moment
from renkei.fleet.waves.grounds import Ground
from renkei.fleet.waves.report import Progress, Row, Shown, Situation, Trouble, WaveReport

SITUATIONS: Final[dict[Situation, Pair]] = {
    Situation.PLANNED: ("承認待ち", "waiting for its approval"),
    Situation.APPROVED: ("承認済み・開始前", "approved, not begun"),
    Situation.RUNNING: ("実行中", "running"),
    Situation.PAUSED: ("実行中（作業時間帯を待っています）", "running, waiting for the next window"),
    Situation.HALTED: ("停止中", "halted"),
    Situation.ABORTED: ("中止", "aborted"),
    Situation.FINISHED: ("終了", "ended"),
}
PROGRESS: Final[dict[Progress, Pair]] = {
    Progress.WAITING: ("順番待ち", "waiting"),
    Progress.ORDERED: ("指示済み", "ordered"),
    Progress.BLOCKED: ("開始できない", "held up"),
    Progress.PERMITTED: ("開始許可", "permitted"),
    Progress.BEGUN: ("作業中", "begun"),
    Progress.WELL: ("完了", "well"),
    Progress.HARMED: ("異常", "harmed"),
    Progress.LOST: ("応答なし", "overdue"),
    Progress.UNSTARTED: ("未着手で終了", "not begun"),
}
_TROUBLES: Final[dict[Trouble, Pair]] = {
    Trouble.FAILED: ("{work}失敗", "failed"),
    Trouble.NO_EXCHANGE: ("連携不能", "no exchange"),
    Trouble.NOT_BACK: ("再起動後に復帰せず", "not back"),
    Trouble.EXCHANGES: ("連携の失敗", "exchanges fail"),
    Trouble.UNREACHABLE: ("応答なし", "overdue"),
    Trouble.LATE: ("遅れ", "late"),
    Trouble.BLOCKED: ("開始できない", "held up"),
    Trouble.STALE: ("申請が古い", "stale"),
    Trouble.UNSTARTED: ("未着手で終了", "not begun"),
}
ACTIONS: Final[dict[Action, Pair]] = {"install": ("適用", "install"), "uninstall": ("アンインストール", "uninstall")}
EVENTS: Final[dict[str, Pair]] = {
    "planned": ("計画", "planned"),
    "approved": ("承認", "approved"),
    "begun": ("最初の指示", "first order"),
    "halt": ("停止", "halted"),
    "resume": ("再開", "resumed"),
    "abort": ("中止", "aborted"),
    "finished": ("終了", "ended"),
}
_GROUPS: Final[dict[str, Pair]] = {
    "bench": ("キッティング拠点", "bench"),
    "media": ("媒体", "media"),
    "standby": ("予備系", "standby"),
    "central": ("中央", "central"),
}
_FELL: Final[dict[str, Pair]] = {
    "failed": ("{work}に失敗しました", "failed to {work} it"),
    "unreachable": ("開始後に応答がありません", "weren't heard of after they had begun"),
    "not back": ("再起動から戻りません", "didn't come back from the restart"),
    "no exchange": ("{work}後に連携できません", "can't exchange any more"),
}
_WHY: Final[dict[Trouble, Pair]] = {
    Trouble.FAILED: ("{work}後のビルドまたは版が指示と違う", "it isn't at the build or version that was ordered"),
    Trouble.NO_EXCHANGE: ("{work}は済んだが、連携が成功していない", "it is done, and no exchange has worked since"),
    Trouble.NOT_BACK: ("再起動に入り、期限までに戻らない", "it went into its restart and is overdue"),
    Trouble.UNREACHABLE: ("開始の許可のあと、期限までに報告がない", "it had its permit, and is overdue"),
    Trouble.LATE: ("予定の作業時間を過ぎても報告がない", "it has taken longer than was planned for it"),
    Trouble.BLOCKED: ("支障があり開始できない", "something stands in its way"),
    Trouble.STALE: (
        "15分以上前の申請か、時計が狂っている",
        "it asked more than 15 minutes ago, or its clock is wrong",
    ),
    Trouble.UNSTARTED: ("指示の期限までに開始しなかった", "its order expired before it had begun"),
}
_ACT: Final[dict[Trouble, Pair]] = {
    Trouble.FAILED: ("端末の報告と記録を確認する", "read what it reported, and its log"),
    Trouble.NO_EXCHANGE: (
        "端末で連携を試し、回線と証明書を確認する",
        "try an exchange there; look at line and certificate",
    ),
    Trouble.NOT_BACK: ("画面と電源を市区町村に確認する", "ask the endpoint about its screen and power"),
    Trouble.EXCHANGES: ("証明書、署名、回線を端末で確認する", "look at its certificate, signatures and line"),
    Trouble.UNREACHABLE: ("電源と回線を市区町村に確認する", "ask the endpoint about power and line"),
    Trouble.BLOCKED: ("支障を取り除く。端末は自動で申請し直す", "remove it: the machine asks again by itself"),
    Trouble.STALE: ("端末の時計を合わせる", "set its clock"),
    Trouble.UNSTARTED: ("次のウェーブに入れる", "plan it into the next wave"),
}
ACTS_ON_GROUND: Final[dict[str, Pair]] = {
    trouble.value: _ACT[trouble]
    for trouble in (
        Trouble.FAILED,
        Trouble.NO_EXCHANGE,
        Trouble.NOT_BACK,
        Trouble.UNREACHABLE,
        Trouble.EXCHANGES,
    )
}
"""What is to be done first, by the kind of a ground."""


def group(name: str) -> Pair:
    """Name a group: a ring by the fleet's own name."""
    return _GROUPS.get(name, (name, name))


def trouble(kind: Trouble, action: Action) -> Pair:
    """Name what is wrong with a machine of a wave that installs or uninstalls."""
    return _of(_TROUBLES[kind], action)


def headline(found: WaveReport) -> Pair:
    """Say in a sentence where the wave stands."""
    whole, state = found.whole, found.state
    total, well = f"{whole.total:,}", f"{whole.counts.get(Progress.WELL, 0):,}"
    busy = f"{sum(whole.counts.get(each, 0) for each in (Progress.PERMITTED, Progress.BEGUN)):,}"
    opens = moment(found.opens) if found.opens else "–"
    rest = f"{whole.total - whole.counts.get(Progress.WELL, 0):,}"
    cases: dict[Situation, Pair] = {
        Situation.PLANNED: (
            f"承認待ち：{state.plan.planner}以外の担当者が承認するまで、どの端末も開始しません",
            f"Waiting for the approval of somebody else than {state.plan.planner}: nobody begins before it",
        ),
        Situation.APPROVED: (
            f"承認済み：{total}台はまだ開始していません",
            f"Approved: none of {total} machines has an order yet",
        ),
        Situation.RUNNING: (
            f"実行中：{total}台のうち 完了 {well}台、作業中 {busy}台",
            f"Running: of {total} machines {well} are well, {busy} at work",
        ),
        Situation.PAUSED: (
            f"作業時間帯を待っています：次は {opens} から（完了 {well}／{total}台）",
            f"Waiting for a window: the next opens at {opens} ({well} of {total} machines are well)",
        ),
        Situation.HALTED: (
            f"停止しました：新しい端末は開始しません（完了 {well}／{total}台、作業中 {busy}台）",
            f"Halted: no further machine begins ({well} of {total} are well, {busy} at work)",
        ),
        Situation.ABORTED: (
            f"中止しました：新しい端末は開始しません（完了 {well}／{total}台、作業中 {busy}台）",
            f"Aborted: no further machine begins ({well} of {total} are well, {busy} at work)",
        ),
        Situation.FINISHED: (
            f"終了しました：{total}台のうち 完了 {well}台、完了していない端末 {rest}台",
            f"Ended: of {total} machines {well} are well, {rest} aren't",
        ),
    }
    return cases[found.situation]


def ground_sentence(ground: Ground, action: Action) -> Pair:
    """Say what the rule found in a wave that installs or uninstalls, with its figures."""
    reason = ground.reason
    whom = (f"（機種 {reason.model}）" if reason.model else " ", f" of model {reason.model}" if reason.model else "")
    if isinstance(reason, Reason):
        fell = _of(_FELL[reason.fault.value], action)
        ja = (
            f"開始した端末{whom[0]}{reason.started}台のうち {reason.fallen}台が{fell[0]}。"
            f"割合は少なくとも {reason.at_least:.1%}（許容 {reason.accepted:.1%}）"
        )
        en = (
            f"{reason.fallen} of {reason.started} machines{whom[1]} that began {fell[1]}. The rate is at least "
            f"{reason.at_least:.1%}, accepted is {reason.accepted:.1%}"
        )
        return ja, en
    ja = (
        f"{ACTIONS[action][0]}した端末{whom[0]}{reason.updated}台のうち "
        f"{reason.failed}台の連携がハブで失敗しました。"
        f"未実施の端末は {reason.others}台のうち {reason.others_failed}台。失敗は少なくとも {reason.at_least:.1f}倍"
        f"（許容 {reason.accepted:g}倍）"
    )
    en = (
        f"The hub saw exchanges fail of {reason.failed} of {reason.updated} machines{whom[1]} that this wave "
        f"has changed, and of {reason.others_failed} of {reason.others} that it hasn't: at least "
        f"{reason.at_least:.1f} times as often, accepted is {reason.accepted:g} times"
    )
    return ja, en


def spread(shown: Shown) -> Pair:
    """Say which models and prefectures the machines of a ground are of, the most first."""
    number = len(shown.rows)
    ja, en = [], []
    for name, english, values in (("機種", "model", shown.models), ("都道府県", "prefecture", shown.prefectures)):
        if values:
            some = "、".join(f"{value} {count}台" for value, count in values[:3]) + ("、ほか" if values[3:] else "")
            ja.append(f"{name}：{some}")
            some = ", ".join(f"{value} {count} of {number}" for value, count in values[:3])
            en.append(f"{english}: {some}" + (" …" if values[3:] else ""))
    return "。".join(ja), "; ".join(en)


def why(row: Row, action: Action) -> Pair:
    """Say what is wrong with a machine of a wave that installs or uninstalls, by its own word where it said so."""
    if row.host.heard_late and row.trouble in {Trouble.NOT_BACK, Trouble.UNREACHABLE, Trouble.UNSTARTED}:
        return "期限のあとに報告があった", "it was overdue, and has spoken since"
    if row.trouble is Trouble.EXCHANGES:
        return f"ハブで連携が失敗（{row.host.failing}）", f"exchanges fail at the hub ({row.host.failing})"
    if row.said and row.said.problem:
        told = read(row.said.problem)
        problem = printable(row.said.problem)
        return f"報告：{told.sentence[0] if told else problem}", f"it says: {problem}"
    return _of(_WHY[row.trouble], action)


def act(row: Row) -> Pair:
    """Say what a person does about a machine."""
    told = read(row.said.problem) if row.said and row.said.problem else None
    if row.until is not None:
        return (
            f"{moment(row.until)} まで待つ（過ぎると応答なし）",
            f"wait until {moment(row.until)}: then it is overdue",
        )
    return told.act if told and told.act else _ACT[row.trouble]


def _of(words: Pair, action: Action) -> Pair:
    """Fill in what a wave does."""
    ja, en = ACTIONS[action]
    return words[0].format(work=ja), words[1].format(work=en)
