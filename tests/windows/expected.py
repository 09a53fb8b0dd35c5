"""What every task of the staging bench must come to on a dedicated terminal that its first boot has named.

Ansible counts a task that it passed over as skipped, whatever the reason, and a task that it lost not at all
(ansible#82471). So each task has its place here: done, or skipped because its condition says that there is nothing to
do. Any other end, on any terminal, is a fault.
"""

from collections.abc import Iterable

from windows.staging import Run

BASE = "Validating arguments against arg spec 'main' - Name, time, region, power and accounts of a Windows terminal"
FIREWALL = "Validating arguments against arg spec 'main' - The firewall of a Windows terminal"
HARDENING = "Validating arguments against arg spec 'main' - The controls of a Windows terminal"
UPDATES = "Validating arguments against arg spec 'main' - The update policy of a Windows terminal"
STATE = "Validating arguments against arg spec 'state' - Read what a terminal is set to"
ONCE = "Every terminal reported"
"""Done by one of them, for all."""

READ = ("The machine says what it is set to", "It is known what differs")
ALWAYS = (
    *(BASE, "The host is a Windows terminal that this role can set up, and every account is one person's", *READ),
    "The administrator's password is this machine's own and fresh, and persons have accounts",
    *(FIREWALL, HARDENING, UPDATES),
    "The firewall lets a terminal with a line reach the update service",
)
SET = (
    "Configure name, region, time and power",
    "Time comes from the ASP, and the machine neither sleeps nor starts half",
    "Configure what goes out, and that nothing comes in",
    "The rules let the controller in, as long as it comes by the network",
    "The firewall lets pass what the flows name",
    "Configure what the controls ask for",
    "Passwords, rights, logging, policies and what may run are as their files say",
    "Services and features that a terminal has no use for are off",
    "The system drive is encrypted, and the vault keeps its recovery password",
    *("It is known anew what differs", STATE, *READ),
    "The machine holds every control that can be set",
    "Configure source, ring, hours and what Windows may do by itself",
    "Updates come from the ASP, in the ring's turn, within the line's share, and are installed by orders",
    *("It is known anew what differs", STATE, *READ),
    "The machine holds its update policy",
    "What differs about updates and needs a person, or is another's to change, is said",  # it never searched yet
    "The update service knows the machine",
)
NEVER = (
    "Who left has no account",  # nobody did
    "The machine has made a key for its listener, and a request",  # its certificate is good for long
    "What was asked for is there",
    "Report what differs on a shared machine",
    *["Read what the machine is set to, unless another role just did"] * 3,
    "What differs and needs a person, or is another's to change, is said",  # nothing does
    *("The report is kept", "The report about updates is kept"),  # nobody asked for it
    "The maintenance window is shut",  # neither for that
)
NAMED_ALREADY = (
    *("The machine bears its name", "The time zone is Japan's", "Formats and location are Japan's"),
    "The machine has started anew, where a new name waits for that",
)
NO_ROOT = "The machine believes the update service's certificate"
"""Nobody named its root: the machines know it."""
FIRST = {"done": (*ALWAYS, *SET), "skipped": (*NEVER, *NAMED_ALREADY, NO_ROOT)}
AGAIN = {
    "done": ALWAYS,
    "skipped": (
        *NEVER,
        *("Configure name, region, time and power", "Configure what goes out, and that nothing comes in"),
        *("Configure what the controls ask for", "Configure source, ring, hours and what Windows may do by itself"),
        "What differs about updates and needs a person, or is another's to change, is said",
    ),
}


def unexpected(run: Run, machines: Iterable[str], expected: dict[str, tuple[str, ...]]) -> list[str]:
    """Say which task on which machine didn't come to its end, each in a line."""
    wanted = sorted((task, outcome) for outcome, tasks in expected.items() for task in tasks)
    lines = []
    for machine in machines:
        left = list(wanted)
        for task, outcome, why in run.outcomes.get(machine, []):
            if (task, outcome) in left:
                left.remove((task, outcome))
            elif task != ONCE:
                lines.append(f"{machine}: {task}: {outcome} {why}".rstrip())
        lines += [f"{machine}: {task}: not {outcome}" for task, outcome in left]
    return lines
