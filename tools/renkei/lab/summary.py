"""The terminal summary that `./kit up` ends with, within 80 columns."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from renkei.lab.page import ANSWERS, RESULTS, TYPES
from renkei.lab.result import Result


def print_summary(result: Result, page: Path, console: Console) -> None:
    """Print what was exchanged, what isn't well, and where the page is."""
    if result.reused:
        console.print(
            f"Nothing has changed since the run of {result.finished_at:%Y-%m-%d %H:%M} UTC; its figures stand. "
            "Run ./kit up --converge for a new one.\n"
        )
    console.print(_exchange(result))
    console.print(_results(result))
    console.print(_answers(result))
    console.print(_steps(result))
    unwell = [host for host in result.hosts if not host.is_well]
    for host in unwell:
        failures = host.verdict.failures if host.verdict else ["not verified"]
        console.print(f"[red]✗[/red] {host.name}: {', '.join([host.state, *host.failed_units, *failures])}")
    checks = sum(host.verdict.passed for host in result.hosts if host.verdict)
    mark = "[green]✓[/green]" if result.is_good() else "[red]✗[/red]"
    console.print(
        f"{mark} {len(result.hosts) - len(unwell)} of {len(result.hosts)} hosts are well, {checks} checks passed"
    )
    console.print(f"  The page: {page}", soft_wrap=True)


def _exchange(result: Result) -> Table:
    table = Table(title="Exchange", title_justify="left", box=None, pad_edge=False)
    for heading in ("endpoint", "", "link", "sent", "received", "receipts", "line", "seconds"):
        table.add_column(heading, justify="left" if heading in {"endpoint", "", "link"} else "right")
    for endpoint in result.endpoints:
        good = endpoint.receipts == endpoint.parcels > 0
        receipts = f"{endpoint.receipts}/{endpoint.parcels}"
        line = "-" if endpoint.line_bytes is None else f"{endpoint.line_bytes / 1024:.1f} KiB"
        table.add_row(
            endpoint.code,
            endpoint.name,
            endpoint.link.replace("_", " "),
            str(endpoint.sent),
            str(endpoint.received),
            receipts if good else f"[red]{receipts}[/red]",
            line,
            f"{endpoint.seconds:.1f}",
        )
    return table


def _results(result: Result) -> Table:
    table = Table(title="\nNotices of the endpoints, and their results", title_justify="left", box=None, pad_edge=False)
    table.add_column("endpoint")
    for heading in ("residence", "register", "card", "imported", "error", "pending"):
        table.add_column(heading, justify="right")
    for endpoint in result.endpoints:
        counts = [endpoint.types.get(name, 0) for name in TYPES] + [endpoint.results.get(name, 0) for name in RESULTS]
        table.add_row(endpoint.code, *(str(count) for count in counts))
    return table


def _answers(result: Result) -> Table:
    title = "\nNotices of the ministry, and their results in the registers"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("endpoint")
    table.add_column("bridge")
    for heading in ("notices", "confirmed", "imported", "error", "open"):
        table.add_column(heading, justify="right")
    for endpoint in result.endpoints:
        answers = [endpoint.answers.get(name, 0) for name in ANSWERS]
        notices = sum(answers) + endpoint.unanswered
        counts = (notices, endpoint.confirmed, *answers, endpoint.unanswered)
        table.add_row(endpoint.code, endpoint.bridge, *(str(count) for count in counts))
    return table


def _steps(result: Result) -> Table:
    table = Table(title="\nSteps", title_justify="left", box=None, pad_edge=False)
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("changed", justify="right")
    for phase in result.phases:
        table.add_row(phase.name, f"{phase.seconds:.1f}", "" if phase.changed is None else str(phase.changed))
    return table
