"""`renkei policy`: check the flows, show where they pass, and what one host's packet filter lets through."""

from collections import Counter
from textwrap import fill
from typing import Annotated, Any

import typer

from renkei.cli.inventory import (
    DEFAULT_FLEET,
    FleetOption,
    JsonOption,
    fail,
    find_host,
    load_or_exit,
    print_json,
    report_and_exit,
)
from renkei.fleet.flows import CONTROLLER, OUTSIDE, Flow, Plane
from renkei.fleet.model import Fleet, Host
from renkei.fleet.policy import Rule, check_policy, pairs, path, rule_variables, rules
from renkei.fleet.problems import FleetError, shown

WIDTH = 80

app = typer.Typer(no_args_is_help=True, help="The flows between hosts, and the packet filter rules that follow.")


@app.command()
def check(*, fleet: FleetOption = DEFAULT_FLEET, as_json: JsonOption = False) -> None:
    """Check the flow file against a fleet; exit 1 and print file:line for each problem."""
    loaded = load_or_exit(fleet, as_json=as_json)
    if found := check_policy(loaded):
        report_and_exit(FleetError(found), as_json=as_json)
    rows = [_summary(loaded, flow) for flow in loaded.flows]
    if as_json:
        print_json({"fleet": loaded.settings.name, "flows": rows, "problems": []})
        return
    columns = "{flow:<24} {service:<14} {connections:>11} {crossed:>13}"
    typer.echo(columns.format(flow="FLOW", service="SERVICE", connections="CONNECTIONS", crossed="HOSTS CROSSED"))
    for row in rows:
        typer.echo(columns.format_map(row))
    typer.echo(f"{shown(loaded.settings.policy)}: {len(rows)} flows; no problems")


@app.command()
def paths(
    flow: Annotated[str | None, typer.Argument(help="Only the flow of this id.")] = None,
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Show by which hosts each flow passes; municipal hosts by their part, with the number of connections."""
    loaded = load_or_exit(fleet, as_json=as_json)
    flows = [each for each in loaded.flows if flow in {None, each.id}]
    if not flows:
        fail(f"there is no flow {flow!r}; `renkei policy check` lists them")
    rows = [
        {"flow": each.id, "path": list(way), "connections": count}
        for each in flows
        for way, count in _ways(loaded, each).items()
    ]
    if as_json:
        print_json(rows)
        return
    for each in flows:
        typer.echo(fill(f"{each.id}: {each.why}", WIDTH))
        for way, count in _ways(loaded, each).items():
            line = f"  {count:>6,}  {' > '.join(way)}"
            typer.echo(fill(line, WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False))


@app.command()
def show(
    host: Annotated[str, typer.Argument(help="Name of a host, such as asp-firewall.")],
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Show what a host's packet filter lets pass; everything else is dropped."""
    loaded = load_or_exit(fleet, as_json=as_json)
    found = rules(loaded, find_host(loaded, host))
    if as_json:
        print_json([rule_variables(loaded, rule) for rule in found])
        return
    for rule in found:
        ways = [f"in {rule.in_interface}" if rule.in_interface else "", f"out {rule.out_interface or ''}".rstrip()]
        way = ", ".join(word for word in ways if word not in {"", "out"})
        typer.echo(f"{rule.chain.value:<8} {rule.flow:<22} {way}")
        typer.echo(f"         {_addresses(rule.sources)} -> {_addresses(rule.destinations)} {_service(rule)}")


def _summary(fleet: Fleet, flow: Flow) -> dict[str, Any]:
    connections = 0
    crossed: set[str] = set()
    for source, destination in pairs(fleet, flow):
        connections += 1
        crossed.update(hop.host.name for hop in path(flow, source, destination))
    ports = ",".join(map(str, flow.ports))
    return {
        "flow": flow.id,
        "from": list(flow.sources),
        "to": list(flow.destinations),
        "plane": flow.plane.value,
        "service": f"{ports}/{flow.protocol.value}",
        "connections": connections,
        "crossed": len(crossed),
    }


def _ways(fleet: Fleet, flow: Flow) -> Counter[tuple[str, ...]]:
    ways: Counter[tuple[str, ...]] = Counter()
    for source, destination in pairs(fleet, flow):
        way = [_label(hop.host) for hop in path(flow, source, destination)]
        if source is None:
            way.insert(0, CONTROLLER)
        if destination is None:
            way.append(OUTSIDE)
        if flow.plane is Plane.MANAGEMENT:
            way.insert(1, "(management)")
        ways[tuple(way)] += 1
    return ways


def _label(host: Host) -> str:
    return host.part.value if host.site.endpoint else host.name


def _addresses(addresses: tuple[str, ...]) -> str:
    if not addresses:
        return "anywhere"
    more = len(addresses) - 1
    return addresses[0] if more == 0 else f"{addresses[0]} and {more:,} more"


def _service(rule: Rule) -> str:
    return f"{','.join(rule.ports)}/{rule.protocol}"
