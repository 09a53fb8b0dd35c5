"""`renkei ministry`: what runs on the ministry's side of the link."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from renkei.cli.ministry_authority import Config, errors_in_words, fail
from renkei.cli.ministry_authority import app as authority
from renkei.ministry.settings import DEFAULT_PATH, load_settings

app = typer.Typer(no_args_is_help=True)
app.add_typer(authority, name="authority")

Seed = Annotated[int, typer.Option(help="The same seed makes the same notices.", min=0)]
Day = Annotated[
    datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The day of the notices; default: today.")
]
Count = Annotated[int, typer.Option(metavar="N", help="How many.", min=1, max=100_000)]


@app.command()
def connector(config: Config = DEFAULT_PATH) -> None:
    """Carry notices between the immigration system's drop and the agent until stopped."""
    from renkei.ministry.connector import AnotherConnectorError, Connector
    from renkei.ministry.service import Stop, log_to_journal
    from renkei.store.errors import StoreError

    log_to_journal()
    stop = Stop()
    stop.install()
    with errors_in_words():
        settings = load_settings(config)
        try:
            running = Connector(settings.connector)
        except (AnotherConnectorError, StoreError) as error:
            fail(str(error))
        try:
            running.run(stop)
        finally:
            running.close()


Originals = Annotated[
    bool, typer.Option("--originals", help="With names in kanji as people handed them in, an item of layout 2.")
]


@app.command()
def held(
    config: Config = DEFAULT_PATH,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print data instead of text.")] = False,
) -> None:
    """List the notices of municipalities that wait for another one, and for how long (docs/order.md).

    Exit codes: 0 nothing is about somebody unknown, 1 something is, or it can't be read.
    """
    from renkei.ministry.cases import read_waiting
    from renkei.ministry.service import become_owner
    from renkei.store.errors import StoreError

    with errors_in_words():
        settings = load_settings(config).connector
        become_owner(settings.state)
        try:
            found = read_waiting(settings.database)
        except StoreError as error:
            fail(str(error))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1))
    elif not found:
        typer.echo("nothing waits")
    else:
        for each in found:
            what = f" for {each.waits_for} until {each.until}" if each.waits_for else ""
            typer.echo(f"{each.municipality} {each.number} {each.type}: {each.reason}{what}, since {each.since}")
    if any(each.reason == "unknown" for each in found):
        raise typer.Exit(1)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the CSV file is put.")],
    endpoints: Annotated[str, typer.Option(metavar="CODES", help="Six-digit codes, joined by commas.")],
    notices: Count,
    seed: Seed = 1,
    day: Day = None,
    *,
    originals: Originals = False,
) -> None:
    """Make notices of the immigration system (住基法30条の50). Nobody in them exists."""
    from renkei.domain.layouts import Layout, write
    from renkei.ministry.simulator import status_notices

    today = _day(day)
    codes = [_endpoint_code(each.strip()) for each in endpoints.split(",") if each.strip()]
    if not codes:
        raise typer.BadParameter("name at least one code", param_hint="--endpoints")
    made = status_notices(codes, notices, seed, today, originals=originals)
    typer.echo(_put(out, f"status-{today:%Y%m%d}-{seed}.csv", write(made, Layout())))


@app.command("simulate-register")
def simulate_register(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the CSV file is put.")],
    endpoint: Annotated[str, typer.Option(metavar="CODE", help="The municipality's six-digit code.")],
    notices: Count,
    seed: Seed = 1,
    day: Day = None,
    place: Annotated[str, typer.Option(help="How its addresses begin: 東京都新宿区")] = "",
    *,
    originals: Originals = False,
) -> None:
    """Make notices of a municipality (入管法施行令2条). Nobody in them exists."""
    from renkei.domain.layouts import Layout, write
    from renkei.ministry.simulator import residence_notices

    today, own = _day(day), _endpoint_code(endpoint)
    content = write(residence_notices(own, notices, seed, today, place, originals=originals), Layout())
    typer.echo(_put(out, f"residence-{own}-{today:%Y%m%d}-{seed}.csv", content))


@app.command("simulate-lives")
def simulate_lives(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The files' folder, one a type and turn; in from-register/ with markers."),
    ],
    of: Annotated[str, typer.Option(help="Whose notices: ministry, or a municipality's code.")],
    places: Annotated[
        str, typer.Option(metavar="CODE=PLACE,…", help="The municipalities: 131041=東京都新宿区,012271=北海道歌志内市")
    ],
    people: Annotated[int, typer.Option(metavar="N", help="How many people's lives.", min=1, max=100_000)],
    seed: Seed = 1,
    day: Day = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="A copy, for simulate-import.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print counts by type instead of paths.")] = False,
) -> None:
    """Make the notices of one party about some days of people's lives. Nobody in them exists.

    The same people, places, seed and day give the same lives: each party's notices fit the others'.
    """
    from collections import Counter

    from renkei.domain.layouts import Layout, write
    from renkei.domain.notices import TYPES
    from renkei.ministry.lives import notices_of_lives
    from renkei.ministry.runs import runs

    pairs = dict(each.partition("=")[::2] for each in places.split(",") if each.strip())
    known = {_endpoint_code(code.strip()): place.strip() for code, place in pairs.items()}
    if not known:
        raise typer.BadParameter("name at least one municipality", param_hint="--places")
    today, ministry = _day(day), of == "ministry"
    own = [
        [each for each in life if ministry == each.TO_ENDPOINT and (ministry or each.municipality == of)]
        for life in notices_of_lives(known, people, seed, today)
    ]
    files = runs(own, lambda notice: (TYPES.index(type(notice)), False))
    counts: Counter[str] = Counter()
    for number, (_, notices) in enumerate(files, start=1):
        counts[notices[0].TYPE] += len(notices)
        name = f"lives-{today:%Y%m%d}-{seed}-{number:02d}-{notices[0].NAME}.csv"
        content = write(notices, Layout())
        if keep is not None:
            _put(keep, name, content)
        path = _put(out, name, content)
        if not as_json:
            typer.echo(path)
    if as_json:
        typer.echo(json.dumps({"notices": counts.total(), "types": counts}, ensure_ascii=False))


@app.command("simulate-import")
def simulate_import(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="The immigration system's.")],
    day: Day = None,
    about: Annotated[
        str, typer.Option(metavar="TEXT", help="Account for the notices, sent and come, whose numbers contain this.")
    ] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print data instead of text.")] = False,
) -> None:
    """Import what municipalities sent as the immigration system would, and answer with results (取込結果)."""
    from renkei.domain.layouts import InvalidLayout
    from renkei.ministry.importing import account_of, import_all

    with errors_in_words():
        try:
            outcome = import_all(folder, _day(day))
            account = account_of(folder, about)
        except InvalidLayout as error:
            fail(str(error))
    if as_json:
        told = {name: getattr(account, name) for name in ("imported", "answered", "unanswered")}
        counts = {"notices": outcome.notices, "results": outcome.results}
        typer.echo(json.dumps({**counts, "account": told}, ensure_ascii=False))
        return
    for each in (outcome.notices, outcome.results):
        typer.echo(_counted(each))
    for code in sorted(account.imported.keys() | account.answered.keys() | account.unanswered.keys()):
        typer.echo(f"{code}: {account.imported[code]} notices imported")
        typer.echo(f"        answered {_counted(account.answered.get(code, {}))}")
        typer.echo(f"        not answered: {', '.join(account.unanswered.get(code, [])) or 'none'}")


@app.command("simulate-register-import")
def simulate_register_import(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="The share or medium between terminal and register.")],
    state: Annotated[Path, typer.Option(metavar="DIR", help="The register system's own folder.")],
    day: Day = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print data instead of text.")] = False,
) -> None:
    """Import what a terminal handed over as a resident register system would, and answer with results (取込結果)."""
    from renkei.domain.layouts import InvalidLayout
    from renkei.ministry.registers import BrokenHandOverError, register_all

    with errors_in_words():
        try:
            outcome = register_all(folder, state, _day(day))
        except (InvalidLayout, BrokenHandOverError) as error:
            fail(str(error))
    if as_json:
        typer.echo(json.dumps({"notices": outcome.notices, "results": outcome.results}, ensure_ascii=False))
    else:
        for counts in (outcome.notices, outcome.results):
            typer.echo(_counted(counts))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing"


def _day(given: datetime | None) -> date:
    return (given or datetime.now()).date()  # noqa: DTZ005 - a day of work, in this machine's time zone


def _endpoint_code(text: str) -> str:
    from renkei.domain.codes import InvalidCode, MunicipalityCode

    try:
        return str(MunicipalityCode(text))
    except InvalidCode as error:
        raise typer.BadParameter(str(error)) from error


def _put(folder: Path, name: str, content: bytes) -> str:
    from renkei.ministry.files import replace
    from renkei.ministry.registers import FROM_REGISTER, hand_over

    with errors_in_words():
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name == FROM_REGISTER:
            hand_over(folder, name, content)
        else:
            replace(folder / name, content, 0o640)
    return str(folder / name)
