"""All that the roles of a Windows terminal ask of one machine, and how far its state is from that.

setup = make_setup(fleet, host, table, exceptions, Choices(...))
setup.questions                       # what Get-TerminalState.ps1 is asked
setup.files["hardening"]["registry"]  # what Import-Settings.ps1 gets
setup.held_against(state)             # deviations by role
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from renkei.fleet.addresses import dotted
from renkei.fleet.controls import files
from renkei.fleet.controls.exceptions import ControlException, controls_off
from renkei.fleet.controls.model import Data, Table
from renkei.fleet.controls.plan import Plan, make_plan
from renkei.fleet.controls.table import HARDENING
from renkei.fleet.controls.verdict import Deviation, deviations, registry_deviations
from renkei.fleet.model import Fleet, Host
from renkei.fleet.policy import rule_variables, rules
from renkei.fleet.terminal import firewall, updates
from renkei.fleet.terminals import Profile

Registry = Mapping[str, Mapping[str, Data]]
_TIME: Final = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time"
_POWER: Final = r"HKLM\SOFTWARE\Policies\Microsoft\Power\PowerSettings"
_SLEEP: Final = "29f6c1db-86da-48c5-9fdb-f2b67b1f44da"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the roles' variables say.

    Attributes:
        time_servers: addresses.
        parameters: of the controls, by name, where they aren't the fleet's (`updates.parameters_of`) or the table's.
        accounts: that may be enabled; None where nobody listed them.
        interface: towards LGWAN.
        port: by which the controller comes while a window is open.
        service: the agent's, and its flows: all that a shared machine gets rules for.
        agent_flows: ids.
        authority: thumbprint of the root of the update service's certificate; empty where machines know it already.
    """

    time_servers: Sequence[str]
    parameters: Mapping[str, object] = field(default_factory=dict)
    accounts: Collection[str] | None = None
    interface: str = "lan0"
    port: int = 5986
    service: str = "renkei-agent"
    agent_flows: Collection[str] = ("exchange", "enrolment")
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """What one machine must be; `files` by role and kind."""

    plan: Plan
    base: Registry
    rules: Mapping[str, str]
    window: Mapping[str, str]
    accounts: Collection[str] | None
    off: Mapping[str, ControlException]
    authority: str = ""

    @property
    def whole(self) -> bool:
        """Whether the machine is the link's alone, so that machine-wide settings are set."""
        return self.plan.profile is Profile.DEDICATED

    @property
    def firewall(self) -> Registry:
        """The firewall's policy, with the controller's way in, as long as it comes by it."""
        return firewall.policy({**self.rules, **self.window}, whole=self.whole)

    @property
    def hardening(self) -> Plan:
        """What the role `terminal_hardening` sets."""
        return self.plan.part(HARDENING)

    @property
    def updates(self) -> Plan:
        """What the role `update_client` sets."""
        return self.plan.part("update_client")

    @property
    def questions(self) -> dict[str, Any]:
        """What the machine is asked."""
        asked = files.questions(self.plan)
        registry = {key: list(values) for key, values in {**self.base, **self.firewall}.items()}
        asked["roots"] = [self.authority] if self.authority else []
        return {**asked, "registry": {**asked["registry"], **registry, firewall.RULES: [files.ALL_VALUES]}}

    def held_against(self, state: Mapping[str, Any]) -> dict[str, list[Deviation]]:
        """Return what differs, by role.

        Raises:
            BadState: the state can't be read.
        """
        found = state.get("registry", {}).get(firewall.RULES) or {}
        stray = [
            Deviation("terminal_firewall", "stray", name, "-", str(value["data"])[:120])
            for name, value in found.items()
            if name not in {*self.rules, *self.window} and (self.whole or name.startswith(firewall.PREFIX))
        ]
        return {
            "base": registry_deviations("terminal_base", self.base, state),
            "firewall": [*registry_deviations("terminal_firewall", self.firewall, state), *stray],
            "hardening": deviations(self.hardening, state, self.accounts),
            "updates": [*deviations(self.updates, state), *self._trust(state)],
        }

    def _trust(self, state: Mapping[str, Any]) -> list[Deviation]:
        """Say whether the machine knows the root of the update service's certificate."""
        if not self.authority or self.authority in state.get("roots", ()):
            return []
        return [Deviation("update_client", "certificate", "Root", self.authority, "-")]

    def firewall_file(self, stray: Collection[str]) -> str:
        """Write the firewall's registry file; rules that nobody asked for are taken away one by one."""
        text = files.write_registry(self.firewall)
        path = firewall.RULES.replace("HKLM\\", "HKEY_LOCAL_MACHINE\\", 1)
        gone = [f"{files.quoted(name)}=-" for name in stray]
        return "\r\n".join([text, f"[{path}]", *gone, ""]) if gone else text


def make_setup(
    fleet: Fleet, host: Host, table: Table, exceptions: Sequence[ControlException], choices: Choices
) -> Setup:
    """Put together what a terminal of a fleet must be.

    Raises:
        WrongValue: a parameter can't be used.
        LookupError: the site has no machine in service or staged.
    """
    terminal, endpoint = host.site.terminal, host.site.endpoint
    if terminal is None or endpoint is None:
        raise LookupError(f"{host.name}: terminals.csv has no machine for {host.site.key}")
    off = controls_off(exceptions, host)
    whole = terminal.profile is Profile.DEDICATED
    own = [rule_variables(fleet, rule) for rule in rules(fleet, host)]
    if not whole:
        own = [rule for rule in own if rule["flow"] in choices.agent_flows]
    parameters = {**updates.parameters_of(fleet, endpoint), **choices.parameters}
    return Setup(
        plan=make_plan(table, terminal.profile, off, parameters),
        base=_base(choices.time_servers),
        rules=firewall.outbound(own, choices.interface, "" if whole else choices.service),
        window=firewall.maintenance(dotted(fleet.settings.controller), choices.port),
        accounts=choices.accounts,
        off=off,
        authority=choices.authority,
    )


def as_variables(setup: Setup, state: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a setup as plain data for the roles: the questions, or with a state what differs and what mends it."""
    profile = setup.plan.profile.value
    if state is None:
        return {"profile": profile, "questions": setup.questions}
    found = setup.held_against(state)
    stray = [each.place for each in found["firewall"] if each.kind == "stray"]
    files_of: dict[str, dict[str, str]] = {
        "base": {"registry": files.write_registry(setup.base)},
        "firewall": {"registry": setup.firewall_file(stray)},
        "hardening": {
            "security": files.security_template(setup.hardening),
            "audit": files.audit_policy(setup.hardening),
            "registry": files.registry_file(setup.hardening),
        },
        "updates": {"registry": files.registry_file(setup.updates)},
    }
    return {
        "profile": profile,
        "way_to_updates": f"{firewall.PREFIX}{updates.FLOW}" in setup.rules,
        "files": {role: files_of[role] for role, rows in found.items() if rows},
        "exceptions": {name: each.until.isoformat() for name, each in setup.off.items()},
        "deviations": {role: [asdict(each) for each in rows] for role, rows in found.items()},
        "kinds": {role: sorted({each.kind for each in rows}) for role, rows in found.items()},
    }


def _base(time_servers: Sequence[str]) -> Registry:
    return {
        rf"{_TIME}\Parameters": {"NtpServer": " ".join(f"{server},0x8" for server in time_servers), "Type": "NTP"},
        _TIME: {"Start": 2},
        rf"{_POWER}\{_SLEEP}": {"ACSettingIndex": 0, "DCSettingIndex": 0},
        r"HKLM\SYSTEM\CurrentControlSet\Control\Power": {"HibernateEnabled": 0},
        r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Power": {"HiberbootEnabled": 0},
    }
