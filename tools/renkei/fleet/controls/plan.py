"""What one machine must hold: the table's controls for its profile, less exceptions, with parameters put in."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from renkei.fleet.controls.model import Check, Control, Data, Settings, Table, Value
from renkei.fleet.controls.table import REFERENCE, references
from renkei.fleet.terminals import Profile


class WrongValue(ValueError):
    """A parameter that there isn't, that is missing, or whose value may not stand; with all that is wrong."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One control as a machine must hold it: settings and check without references."""

    control: Control
    settings: Settings
    check: Check | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a machine of a profile must hold; `parameters` as they are used."""

    profile: Profile
    wanted: tuple[Wanted, ...]
    parameters: Mapping[str, Value]
    tools: frozenset[str] = field(default=frozenset())

    def part(self, role: str) -> "Plan":
        """Give what one role sets of it."""
        return replace(self, wanted=tuple(each for each in self.wanted if each.control.role == role))


def make_plan(
    table: Table, profile: Profile, off: Collection[str] = (), values: Mapping[str, object] | None = None
) -> Plan:
    """Put the plan of a machine together.

    Args:
        table: the controls.
        profile: the machine's.
        off: ids of controls that don't hold there.
        values: parameters by name, where they aren't the table's defaults.

    Raises:
        WrongValue: with every parameter that can't be used.
    """
    chosen = [
        control
        for control in table.controls.values()
        if profile in control.profiles and control.enabled and control.id not in off
    ]
    parameters = _parameters(table, values or {}, {name for control in chosen for name in references(control)})
    wanted = tuple(
        Wanted(control, _settings(control.settings, parameters), _check(control.check, parameters))
        for control in chosen
    )
    return Plan(profile, wanted, parameters, frozenset(each.settings.tool for each in wanted if each.settings.tool))


def _parameters(table: Table, values: Mapping[str, object], needed: set[str]) -> dict[str, Value]:
    wrong = [f"there is no parameter {name!r}" for name in values if name not in table.parameters]
    found: dict[str, Value] = {}
    for name, parameter in table.parameters.items():
        value = values.get(name, () if parameter.is_list else parameter.default)
        if value is None:
            if name in needed:
                wrong.append(f"{name} has no value: {parameter.what}")
            continue
        if problem := parameter.check(value):
            wrong.append(problem)
        elif isinstance(value, list | tuple):
            found[name] = tuple(map(str, value))
        else:
            found[name] = int(value) if isinstance(value, int) else str(value)
    if wrong:
        raise WrongValue("; ".join(wrong))
    return found


def _settings(settings: Settings, parameters: Mapping[str, Value]) -> Settings:
    registry: dict[str, Mapping[str, Data]] = {}
    for key, values in settings.registry.items():
        if isinstance(values, str):
            items = parameters[values[2:-1]]
            listed = items if isinstance(items, tuple) else (str(items),)
            registry[key] = {str(number): item for number, item in enumerate(listed, start=1)}
        else:
            registry[key] = {name: _put_in(data, parameters) for name, data in values.items()}
    return Settings(
        security={
            section: {key: _put_in(data, parameters) for key, data in keys.items()}
            for section, keys in settings.security.items()
        },
        rights=settings.rights,
        audit=settings.audit,
        registry=registry,
        features=settings.features,
        services=settings.services,
        tool=settings.tool,
    )


def _check(check: Check | None, parameters: Mapping[str, Value]) -> Check | None:
    if check is None or not isinstance(check.at_most, str):
        return check
    limit = _put_in(check.at_most, parameters)
    return Check(check.fact, at_most=int(limit))


def _put_in(data: Data, parameters: Mapping[str, Value]) -> Data:
    """Replace a reference; one that is all of the data keeps its kind."""
    if not isinstance(data, str):
        return data
    whole = REFERENCE.fullmatch(data)
    if whole:
        value = parameters[whole[1]]
        return value if isinstance(value, int) else str(value)
    return REFERENCE.sub(lambda found: str(parameters[found[1]]), data)


def list_keys(control: Control) -> frozenset[str]:
    """Return the registry keys whose values a control owns altogether, those of a list."""
    return frozenset(key for key, values in control.settings.registry.items() if isinstance(values, str))
