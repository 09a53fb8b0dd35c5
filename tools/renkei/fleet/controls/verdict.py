"""Whether a machine holds a plan: its state, as Get-TerminalState.ps1 says it, against every single setting."""

import configparser
import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from renkei.fleet.controls.audit import NUMBERS, WORDS, guid
from renkei.fleet.controls.model import Data, Value
from renkei.fleet.controls.plan import Plan, Wanted, list_keys

State = Mapping[str, Any]
_DWORD = 2**32
_ON = "Enabled"


class BadState(ValueError):
    """What a machine said can't be read as its state."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that isn't as a control wants it.

    Attributes:
        control: its id.
        kind: `security`, `audit`, `registry`, `feature`, `service`, `tool` or `fact`: what mends it.
        place: the setting or fact.
        wanted, found: in words; `found` is `-` where there is nothing.
    """

    control: str
    kind: str
    place: str
    wanted: str
    found: str


def deviations(
    plan: Plan, state: State, accounts: Collection[str] | None = None, now: datetime | None = None
) -> list[Deviation]:
    """Hold a machine's state against a plan.

    Args:
        plan: what it must hold.
        state: what it said.
        accounts: names of the accounts that may be enabled; None where nobody listed them.
        now: the moment for which ages count, by default this one.

    Raises:
        BadState: it misses something that every machine says.
    """
    try:
        security, audit = _template(str(state["security"])), _audit(str(state["audit"]))
        facts = _facts(plan, state, accounts, now or datetime.now(UTC))
        found: list[Deviation] = []
        for each in plan.wanted:
            found += _security(each, security)
            found += _audit_of(each, audit)
            found += _registry(each, state["registry"])
            found += _switches(each, state)
            found += _fact(each, facts)
    except (KeyError, TypeError, ValueError, AttributeError, configparser.Error) as error:
        raise BadState(f"the machine's state can't be read: {type(error).__name__}: {error}") from error
    return found


def registry_deviations(owner: str, wanted: Mapping[str, Mapping[str, Data]], state: State) -> list[Deviation]:
    """Hold registry values that no control but a role asks for against a machine's state.

    Raises:
        BadState: the state has no registry.
    """
    try:
        found = []
        for key, values in wanted.items():
            present = {name.lower(): value for name, value in (state["registry"].get(key) or {}).items()}
            for name, data in values.items():
                value = present.get(name.lower())
                if not _holds(data, value, ""):
                    found.append(Deviation(owner, "registry", f"{key}: {name}", str(data), _shown(value)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadState(f"the machine's state can't be read: {type(error).__name__}: {error}") from error
    return found


def _security(each: Wanted, security: Mapping[str, Mapping[str, str]]) -> Iterator[Deviation]:
    for section, keys in each.settings.security.items():
        for key, data in keys.items():
            found = security.get(section, {}).get(key, "")
            if not _passes(data, found, each.control.stricter):
                yield Deviation(each.control.id, "security", f"{section}: {key}", str(data), found or "-")
    for right, sids in each.settings.rights.items():
        text = security.get("Privilege Rights", {}).get(right, "")
        present = {part.strip().lstrip("*").lower() for part in text.split(",") if part.strip()}
        if present != {sid.lower() for sid in sids}:
            yield Deviation(each.control.id, "security", right, ",".join(sids) or "nobody", text or "-")


def _audit_of(each: Wanted, audit: Mapping[str, int]) -> Iterator[Deviation]:
    for name, kinds in each.settings.audit.items():
        wanted, found = NUMBERS[kinds], audit.get(guid(name), 0)
        if found & wanted != wanted:  # more may be recorded, less not
            yield Deviation(each.control.id, "audit", name, WORDS[wanted], WORDS.get(found, str(found)))


def _registry(each: Wanted, registry: Mapping[str, Mapping[str, Any]]) -> Iterator[Deviation]:
    lists = list_keys(each.control)
    for key, values in each.settings.registry.items():
        if isinstance(values, str):
            continue
        found = {name.lower(): value for name, value in (registry.get(key) or {}).items()}
        for name, data in values.items():
            value = found.pop(name.lower(), None)
            if not _holds(data, value, each.control.stricter):
                yield Deviation(each.control.id, "registry", f"{key}: {name}", str(data), _shown(value))
        if key in lists:
            for name, value in found.items():
                yield Deviation(each.control.id, "registry", f"{key}: {name}", "-", _shown(value))


def _switches(each: Wanted, state: State) -> Iterator[Deviation]:
    for name in each.settings.features:
        if state["features"].get(name) == _ON:
            yield Deviation(each.control.id, "feature", name, "off", "on")
    for name in each.settings.services:
        start = state["services"].get(name)  # a service that isn't installed is as good as disabled
        if start is not None and start != "Disabled":
            yield Deviation(each.control.id, "service", name, "Disabled", str(start))


def _fact(each: Wanted, facts: Mapping[str, Any]) -> Iterator[Deviation]:
    check = each.check
    if check is None:
        return
    value = facts.get(check.fact)
    kind = "tool" if each.settings.tool else "fact"
    shown = "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if check.empty:
        if value != []:
            yield Deviation(each.control.id, kind, check.fact, "none", shown)
    elif check.at_most is not None:
        if not isinstance(value, int | float) or value > float(check.at_most):
            yield Deviation(each.control.id, kind, check.fact, f"at most {check.at_most}", shown)
    elif type(value) is not type(check.is_) or value != check.is_:
        yield Deviation(each.control.id, kind, check.fact, str(check.is_), shown)


def _facts(plan: Plan, state: State, accounts: Collection[str] | None, now: datetime) -> dict[str, Any]:
    """Return the facts that checks name, by `group.name`."""
    facts = {
        f"{group}.{name}": value
        for group in ("disk", "firmware", "tpm", "applocker", "defender", "network")
        for name, value in (state.get(group) or {}).items()
    }
    days = plan.parameters.get("unused-days")
    since = now - timedelta(days=days if isinstance(days, int) else 0)
    listed = None if accounts is None else {name.lower() for name in accounts}
    facts["accounts.unexpected"] = [
        str(account["name"])
        for account in state["accounts"]
        if account["enabled"]
        and ((listed is not None and str(account["name"]).lower() not in listed) or _unused(account, since))
    ]
    facts["updates.overdue"] = _overdue(plan.parameters, state.get("updates"), now)
    return facts


def _overdue(parameters: Mapping[str, Value], said: Mapping[str, Any] | None, now: datetime) -> list[str] | None:
    """Return what is missing for longer than it may be; None where the machine can't say.

    Where updates come on media the machine searches for nothing: there the agent holds it against the catalogue.
    """
    if parameters.get("updates-by-media"):
        return []
    if said is None:
        return None

    def days_since(moment: float) -> float:
        return (now.timestamp() - moment) / 86400

    def most(name: str) -> int:
        value = parameters.get(name)
        return value if isinstance(value, int) else 0

    searched = said["searched"]
    if searched is None or days_since(searched) > most("update-searched-days"):
        when = "never" if searched is None else datetime.fromtimestamp(searched, UTC).date().isoformat()
        return [f"last search: {when}"]
    limits = {True: most("urgent-update-days"), False: most("update-days")}
    missing = said["missing"]
    return [str(each["name"]) for each in missing if days_since(each["since"]) > limits[bool(each["urgent"])]]


def _unused(account: Mapping[str, Any], since: datetime) -> bool:
    moments = [datetime.fromisoformat(str(account[key])) for key in ("last_logon", "created") if account.get(key)]
    return bool(moments) and max(moments) < since


def _passes(wanted: int | str, found: str, stricter: str) -> bool:
    if isinstance(wanted, str):
        return wanted == found.strip('"')
    if not found.strip().lstrip("-").isdigit():
        return False
    return _close(wanted, int(found), stricter)


def _holds(wanted: int | str, value: Mapping[str, Any] | None, stricter: str) -> bool:
    if value is None:
        return False
    if isinstance(wanted, str):
        return value["kind"] in {"String", "ExpandString"} and value["data"] == wanted
    return value["kind"] == "DWord" and _close(wanted, int(value["data"]) % _DWORD, stricter)


def _close(wanted: int, found: int, stricter: str) -> bool:
    """Tell whether a number is the wanted one or a stricter one; 0 is never stricter, it means `off` or `never`."""
    if found == wanted:
        return True
    if not stricter or found <= 0:
        return False
    return found > wanted if stricter == "higher" else found < wanted


def _template(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(text.lstrip("\ufeff"))
    return {name: {key: value.strip() for key, value in section.items()} for name, section in parser.items()}


def _audit(text: str) -> dict[str, int]:
    """Read what `auditpol /backup` wrote; column names differ by language, their order doesn't."""
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))[1:]
    return {row[3].upper(): int(row[6]) for row in rows if len(row) > 6 and row[3] and row[6].isdigit()}  # noqa: PLR2004 - the columns of the file


def _shown(value: Mapping[str, Any] | None) -> str:
    return "-" if value is None else str(value["data"])[:60]
