"""Gathers a run's figures: from the hosts, the exchange playbook's count, and the routers' interfaces."""

import json
from pathlib import Path

from renkei.evidence.verdict import read_verdict
from renkei.fleet.loader import load_fleet
from renkei.lab.lab import Lab
from renkei.lab.result import EndpointResult, HostResult

#: The interface whose address a host is known by on the page, the first that it has.
_SHOWN = ("lan0", "core0", "wan0", "edge0")


def line_counters(lab: Lab) -> dict[str, int]:
    """Read how many bytes have gone over each endpoint's LGWAN interface so far, both ways, by its code."""
    routers = {host.site: host.name for host in lab.plan.hosts if host.part == "router" and host.site.isdigit()}
    return {code: _bytes(lab, router) for code, router in routers.items()}


def endpoint_results(lab: Lab, counted: Path, before: dict[str, int]) -> list[EndpointResult]:
    """Join what the exchange playbook counted with what went over the lines since `before`."""
    after, fleet = line_counters(lab), load_fleet(lab.fleet_dir)
    results = []
    for row in json.loads(counted.read_text()):
        endpoint = fleet.sites[row["code"]].endpoint
        if endpoint is None:
            raise ValueError(f"{counted}: {row['code']} is no endpoint of the fleet {fleet.settings.name}")
        on_line = None if row["link"] == "media" else after[row["code"]] - before[row["code"]]
        results.append(
            EndpointResult(**row, name=endpoint.municipality.name, line_kbps=endpoint.line_kbps, line_bytes=on_line)
        )
    return results


def host_results(lab: Lab, verdicts: Path) -> list[HostResult]:
    """Tell how each host is now, with the verdict that the verify playbook left in `verdicts`."""
    results = []
    for host in lab.status():
        junit = verdicts / f"{host.name}.xml"
        address = next(host.addresses[name] for name in _SHOWN if name in host.addresses)
        results.append(
            HostResult(
                name=host.name,
                site=host.site,
                part=host.part,
                address=address.split("/")[0],
                state=host.state,
                failed_units=list(host.failed_units or ()),
                verdict=read_verdict(junit) if junit.exists() else None,
            )
        )
    return results


def _bytes(lab: Lab, router: str) -> int:
    folder = "/sys/class/net/wan0/statistics"
    return sum(int(figure) for figure in lab.exec(router, ["cat", f"{folder}/rx_bytes", f"{folder}/tx_bytes"]).split())
