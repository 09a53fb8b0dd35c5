"""The privileged part's work on antivirus patterns: it believes the authority and the maker, not the agent.

Older patterns than the machine's are never installed: who takes over the agent can't make its antivirus forget.
"""

import logging

from renkei.agent import platform
from renkei.agent.files import read_bounded
from renkei.agent.home import now, read_anchor
from renkei.agent.settings import Settings
from renkei.agent.updates import packages, tools
from renkei.agent.updates.machine import Survey
from renkei.agent.updates.packages import PackageError
from renkei.agent.updates.patterns import AGAIN, read_patterns
from renkei.agent.updates.places import PatternsAnswer, Places, read, write
from renkei.agent.updates.tools import Tools
from renkei.exchange.clock import whole_seconds
from renkei.exchange.patterns import PATTERNS_FILE, Patterns, rank
from renkei.exchange.signed import MAX_SIGNED

log = logging.getLogger("renkei.installer")
_INSTALL_SECONDS = 30 * 60.0


def install_waiting(settings: Settings, system: Tools) -> PatternsAnswer | None:
    """Install the patterns that wait, if they are newer than the machine's; None where there is nothing to do.

    Raises:
        ExchangeError: they can't be believed; nothing was touched.
        MachineError: the machine can't be asked.
        OSError: the installer's folder can't be written.
        Locked: an installation is going on.
    """
    places = Places(settings.home)
    path = places.patterns / PATTERNS_FILE
    if not path.is_file():
        return None
    moment = whole_seconds(now())
    patterns = read_patterns(read_bounded(path, MAX_SIGNED) or b"", read_anchor(settings), moment).patterns
    before = read(places.patterns_answer, PatternsAnswer)
    failed = before is not None and before.version == patterns.version and bool(before.problem)
    if before is not None and failed and abs(moment - before.at) < AGAIN:
        return None
    places.installer.mkdir(parents=True, exist_ok=True)
    with platform.lock(places.installer / "lock"):
        if _has(tools.survey(system), patterns):
            return None
        problem = _install(places, patterns, system)
        answer = PatternsAnswer(version=patterns.version, problem=problem, at=whole_seconds(now()))
        write(places.patterns_answer, answer)
    log.info("%s: %s", patterns.label, problem or "installed")
    return answer


def _install(places: Places, patterns: Patterns, system: Tools) -> str:
    """Install a copy that the agent can't write; return what went wrong, or nothing. What the antivirus says counts."""
    own = places.installer / "patterns"
    try:
        packages.bring(places.patterns / patterns.file, own, patterns)
        answer = tools.run(system.patterns, "-Package", str(own / patterns.file), seconds=_INSTALL_SECONDS)
        if answer.code:
            return answer.tail
        survey = tools.survey(system)
        shown = survey.patterns.version if survey.patterns else "nothing"
        return "" if _has(survey, patterns) else f"the antivirus still shows {shown}"
    except (PackageError, OSError) as error:
        return str(error)
    finally:
        packages.keep_only(own, [])


def _has(survey: Survey, patterns: Patterns) -> bool:
    return survey.patterns is not None and rank(survey.patterns.version) >= rank(patterns.version)
