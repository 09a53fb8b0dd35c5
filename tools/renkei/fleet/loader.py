"""Load a fleet from its folder, or say everything that is wrong with it."""

from pathlib import Path
from typing import TYPE_CHECKING

from renkei.fleet.endpoints import Endpoint, read_endpoints
from renkei.fleet.flows import Flow, read_flows
from renkei.fleet.model import ASP, MINISTRY, Fleet, Site, group_names, make_site
from renkei.fleet.municipalities import Municipality, read_municipalities
from renkei.fleet.plan import plan_addresses
from renkei.fleet.problems import FleetError, Problem
from renkei.fleet.settings import Settings, read_settings
from renkei.fleet.terminals import Terminal, read_terminals, serving

if TYPE_CHECKING:
    from renkei.fleet.calendars import MunicipalCalendar

#: Without a gateway on LGWAN every router has a route to every other site: fine in a lab, absurd in a country.
MOST_SITES_WITHOUT_GATEWAY = 64


def load_fleet(path: Path) -> Fleet:
    """Load the fleet whose folder, or whose `fleet.yml`, is `path`.

    Raises:
        FleetError: with every problem in fleet.yml, endpoints.csv, terminals.csv, municipalities.csv and flows.yml.
    """
    file = path if path.suffix in {".yml", ".yaml"} else path / "fleet.yml"
    problems: list[Problem] = []
    settings: Settings | None = None
    try:
        settings = read_settings(file)
    except FleetError as error:
        problems += error.problems
    country, endpoints, terminals, serving_terminals = _tables(file.parent, settings, problems)
    if settings is None:
        raise FleetError(problems)
    flows = _flows(settings, problems)
    calendars = _calendars(file, settings, endpoints, problems)
    plan = plan_addresses(settings, file.with_name("endpoints.csv"), endpoints, problems)
    if settings.lgwan_gateway is None and len(endpoints) > MOST_SITES_WITHOUT_GATEWAY:
        what = f"the routers of {len(endpoints)} endpoints have no common gateway"
        problems.append(settings.document.problem(("addresses", "lgwan"), what, "add lgwan.gateway"))
    if problems:
        raise FleetError(problems)
    sites = {
        MINISTRY: Site(MINISTRY, settings.ministry.name, settings.ministry.line_kbps, plan[MINISTRY]),
        ASP: Site(ASP, settings.asp.name, settings.asp.line_kbps, plan[ASP]),
    }
    for endpoint in sorted(endpoints, key=lambda endpoint: endpoint.code):
        code = endpoint.code.value
        name, terminal = endpoint.municipality.name, serving_terminals[code]
        sites[code] = Site(code, name, endpoint.line_kbps, plan[code], endpoint, terminal)
    for site in sites.values():
        make_site(site, settings)
    return Fleet(settings, country, sites, tuple(terminals), flows, calendars)


def _tables(
    folder: Path, settings: Settings | None, problems: list[Problem]
) -> tuple[dict[str, Municipality], list[Endpoint], list[Terminal], dict[str, Terminal]]:
    """Read the CSV files; without settings as far as that goes, so that all errors come at once."""
    country_file = settings.municipalities if settings else folder.parent / "municipalities.csv"
    if settings is None and not country_file.exists():
        return {}, [], [], {}
    country = read_municipalities(country_file, problems)
    endpoints_file, terminals_file = folder / "endpoints.csv", folder / "terminals.csv"
    known = {"ring": settings.rings, "maintenance": tuple(settings.maintenance.profiles)} if settings else {}
    endpoints, linked = read_endpoints(endpoints_file, country, known, problems)
    before = len(problems)
    terminals = read_terminals(terminals_file, linked, problems)
    chosen = serving(terminals)
    if len(problems) == before:
        problems += [
            Problem(
                endpoints_file,
                endpoint.line,
                f"endpoint {endpoint.code} has no machine that is ordered, staged or in service",
                "add one to terminals.csv",
            )
            for endpoint in endpoints
            if endpoint.code.value not in chosen
        ]
    return country, endpoints, terminals, chosen


def _calendars(
    file: Path, settings: Settings, endpoints: list[Endpoint], problems: list[Problem]
) -> "dict[str, MunicipalCalendar]":
    """Read every calendar that is named, by its file's name."""
    named = {settings.maintenance.calendar, *(endpoint.calendar or "" for endpoint in endpoints)} - {""}
    if not named:
        return {}
    from renkei.fleet.calendars import read_calendar  # noqa: PLC0415 - a fifth of a second that few fleets need

    read = {name: read_calendar(file.with_name(name), problems) for name in sorted(named)}
    return {name: calendar for name, calendar in read.items() if calendar is not None}


def _flows(settings: Settings, problems: list[Problem]) -> tuple[Flow, ...]:
    try:
        return read_flows(settings.policy, group_names(settings), problems)
    except FleetError as error:
        problems += error.problems
        return ()
