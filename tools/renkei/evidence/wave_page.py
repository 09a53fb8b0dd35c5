"""The page of `renkei wave status|run`: where a wave stands, why it was halted, on which evidence, and what to do.

One HTML file, Japanese with an English switch, readable without a network. Its words are `fleet.waves.words`; what it
shows is `fleet.waves.report`, which is the ledger's.
"""

from pathlib import Path
from typing import Final

from renkei.domain.halting import Fault
from renkei.evidence.pages import put_page
from renkei.fleet.patching.words import moment
from renkei.fleet.waves import words
from renkei.fleet.waves.report import Progress, Situation, WaveReport
from renkei.fleet.waves.steps import steps

#: Progress → the sign in its mark: it says in print, and to who can't tell the colours apart, what the colour says.
SIGNS: Final = {
    Progress.WAITING: "",
    Progress.ORDERED: "·",
    Progress.BLOCKED: "!",
    Progress.PERMITTED: "›",
    Progress.BEGUN: "»",
    Progress.WELL: "+",
    Progress.HARMED: "×",
    Progress.LOST: "?",
    Progress.UNSTARTED: "–",
}
#: The order in a ring's bar: what is through stands left, who hasn't begun right.
DRAWN: Final = (
    Progress.WELL,
    Progress.HARMED,
    Progress.LOST,
    Progress.UNSTARTED,
    Progress.BEGUN,
    Progress.PERMITTED,
    Progress.BLOCKED,
    Progress.ORDERED,
    Progress.WAITING,
)
_EVIDENCE: Final = 20
"""So many machines of a ground stand with it; all of them are in the list."""


def write_page(found: WaveReport, target: Path) -> None:
    """Render the page and put it in place at once.

    Raises:
        OSError: it can't be written; what stood there before still stands.
    """
    plan, tally = found.state.plan, found.state.tally
    put_page(
        target,
        "renkei.evidence",
        "wave.html.j2",
        found=found,
        plan=plan,
        rule=plan.rule(),
        words=words,
        todo=steps(found),
        colour=_colour(found),
        progress=list(Progress),
        drawn=DRAWN,
        signs=SIGNS,
        faults=list(Fault),
        models=sorted((model, counts) for model, counts in tally.by_model.items() if counts.started),
        moment=moment,
        most=_EVIDENCE,
    )


def _colour(found: WaveReport) -> str:
    if found.situation in {Situation.HALTED, Situation.ABORTED}:
        return "alarm"
    if found.situation is Situation.FINISHED:
        return "alarm" if found.out_of_order else "fine"
    return "calm"
