"""What every model is: a function of a host and a call, found by the module's name."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from renkei.lab.windows.host import Host
from renkei.lab.windows.specs import WrongArguments, check, spec_of

Result = dict[str, Any]
log = logging.getLogger("renkei.lab.windows")


@dataclass(frozen=True, slots=True)
class Call:
    """A module's call: its arguments as they came, and once checked, with defaults."""

    raw: Mapping[str, Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def check_mode(self) -> bool:
        """Whether nothing may change."""
        return bool(self.raw.get("_ansible_check_mode"))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - an argument is JSON
        """Return an argument, None where it wasn't given and has no default."""
        return self.arguments.get(name)

    def text(self, name: str) -> str:
        """Return an argument as text, empty where there is none."""
        value = self.arguments.get(name)
        return "" if value is None else str(value)


Model = Callable[[Host, Call], Result]


class Failed(Exception):
    """The module fails with this message; what it had changed before stays."""


@dataclass(frozen=True, slots=True)
class _Registered:
    model: Model
    spec: str
    internal: frozenset[str]


MODELS: dict[str, _Registered] = {}
"""By every name under which Ansible may call a module."""


def model(name: str, *others: str, internal: Iterable[str] = ()) -> Callable[[Model], Model]:
    """Register a model.

    Args:
        name: the module's full name.
        others: further names that Ansible uses for it.
        internal: arguments that the module's action plugin hands over and no playbook does.
    """

    def register(function: Model) -> Model:
        for each in (name, *others):
            MODELS[each] = _Registered(function, name, frozenset(internal))
        return function

    return register


def run_model(host: Host, name: str, call: Call) -> Result:
    """Run a module's model on a host; whatever is wrong becomes a failed result, as with a real module."""
    host.counts[name] += 1
    registered = MODELS.get(name)
    if registered is None:
        return {"failed": True, "changed": False, "msg": f"the simulated host has no model of the module {name}"}
    try:
        spec = spec_of(registered.spec)
        given = {key: value for key, value in call.raw.items() if not key.startswith("_ansible")}
        internal = {key: given.pop(key) for key in registered.internal if key in given and key not in spec.options}
        result = registered.model(host, Call(call.raw, {**check(spec, given), **internal}))
    except (WrongArguments, Failed) as error:
        result = {"failed": True, "msg": str(error)}
    except Exception as error:
        log.exception("the model of %s has a fault", name)
        result = {"failed": True, "msg": f"the model of {name} has a fault: {type(error).__name__}: {error}"}
    shown = {key: value for key, value in call.raw.items() if not key.startswith("_ansible")}
    return {"changed": False, **result, "invocation": {"module_args": shown}}


def update(target: dict[str, Any], wanted: Mapping[str, Any], *, check_mode: bool) -> bool:
    """Bring attributes to what is wanted (None: as they are); return whether that changes something."""
    changes = {key: value for key, value in wanted.items() if value is not None and target.get(key) != value}
    if not check_mode:
        target.update(changes)
    return bool(changes)
