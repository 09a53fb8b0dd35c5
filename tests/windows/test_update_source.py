"""A simulated Windows Server becomes the update service: set once, approving what the signed catalogue lets it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from renkei.lab.windows.host import Host, differences
from renkei.lab.windows.modules.update_source import fresh_server
from unit.fleet.signed import SignedCatalogue, sign
from windows.conftest import ROOT, Bench, Played, make_bench, serve

SERVER = "term0000"
CERTIFICATE = "AB" * 20
RINGS = ["canary", "early", "main_east", "main_west"]
PATTERNS = "e0789628-ce08-4437-be74-2495b842f43b"
ARTICLES: dict[str, list[str]] = {"KB5043080": [], "KB5058411": ["KB5043080"]}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One server, whose upstream offers one update that the catalogue doesn't have."""
    made = make_bench(tmp_path_factory.mktemp("bench"), 1)
    made.hosts[SERVER] = fresh_server(SERVER, CERTIFICATE)
    made.hosts[SERVER].facts["upstream"]["articles"] = [*ARTICLES, "KB5000001"]
    yield from serve(made)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> SignedCatalogue:
    return sign(tmp_path_factory.mktemp("catalogue"), ARTICLES, datetime.now(UTC))


def run(bench: Bench, *, check: bool = False, **changes: object) -> Played:
    values = {
        "update_source_name": "mirror.asp.renkei.example",
        "update_source_certificate": CERTIFICATE.lower(),
        "update_source_rings": RINGS,
        **changes,
    }
    apply = {"name": str(ROOT / "roles" / "update_source")}
    task = {"name": "The update service", "ansible.builtin.import_role": apply, "vars": values}
    return bench.play([task], connection="psrp", check=check)


def by(signed: SignedCatalogue, **changes: object) -> dict[str, object]:
    return {"update_source_catalogue": str(signed.file), "update_source_root": str(signed.root), **changes}


def host(bench: Bench) -> Host:
    return bench.hosts[SERVER]


def failed(played: Played) -> str:
    [message] = [each["msg"] for each in played.results(SERVER) if each.get("failed")]
    return " ".join(str(message).split())


@pytest.fixture(scope="module")
def installed(bench: Bench) -> dict[str, Any]:
    """What the service is after the first run; a second one changes nothing, and check mode didn't."""
    before = host(bench).state()
    assert run(bench, check=True).assert_well().changed() == 3  # the feature, the database, the settings
    assert differences(before, host(bench).state()) == []
    run(bench).assert_well()
    after = host(bench).state()
    assert run(bench).assert_well().changed() == run(bench, check=True).assert_well().changed() == 0
    assert differences(after, host(bench).state()) == []
    service: dict[str, Any] = host(bench).facts["update_source"]
    return service


def test_the_service_speaks_tls_and_has_the_rings_and_nothing_is_approved_but_patterns(
    installed: dict[str, Any],
) -> None:
    assert (installed["tls"], installed["certificate"]) == (True, CERTIFICATE)
    assert (installed["content"], installed["languages"]) == (r"D:\WSUS", ["ja"])
    assert set(installed["products"]) == {"Microsoft Defender Antivirus", "Windows 10 LTSB", "Windows 11"}
    assert (installed["targeting"], set(RINGS) <= set(installed["groups"])) == ("Client", True)
    assert (installed["rules"], installed["automatic"]) == (["renkei patterns"], [PATTERNS])
    assert installed["automatic_for"] == RINGS
    assert set(map(tuple, installed["approvals"].values())) == {()}


def test_a_setting_that_somebody_changed_is_put_back(bench: Bench, installed: dict[str, Any]) -> None:
    installed |= {"targeting": "Server", "rules": ["renkei patterns", "Default Automatic Approval Rule"]}
    assert run(bench, check=True).assert_well().changed() == 1
    assert installed["targeting"] == "Server"
    assert run(bench).assert_well().changed() == 1
    assert (installed["targeting"], installed["rules"]) == ("Client", ["renkei patterns"])


def test_rings_have_what_the_catalogue_lets_them_have(
    bench: Bench, installed: dict[str, Any], signed: SignedCatalogue
) -> None:
    canary = by(signed, update_source_approved={"canary": ["KB5058411"]})
    assert run(bench, check=True, **canary).assert_well().changed() == 1
    assert installed["approvals"]["KB5058411"] == []
    assert run(bench, **canary).assert_well().changed() == 1
    assert run(bench, **canary).assert_well().changed() == 0
    wanted = {"KB5043080": ["canary"], "KB5058411": ["canary"], "KB5000001": []}
    assert installed["approvals"] == wanted
    # an approval that somebody made by hand is taken back, that of a group which is no ring isn't
    installed["approvals"]["KB5043080"] = ["Servers", "canary", "main_west"]
    run(bench, **canary, update_source_declined=["KB5000001"]).assert_well()
    assert installed["approvals"] == wanted | {"KB5043080": ["Servers", "canary"]}
    assert installed["declined"] == ["KB5000001"]


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_is_refused_before_anything_is_touched(bench: Bench, signed: SignedCatalogue) -> None:
    before = host(bench).state()
    foreign = sign(bench.folder, ARTICLES, datetime.now(UTC), name="foreign")
    wrong: list[tuple[dict[str, object], str]] = [
        ({"update_source_certificate": "CD" * 20}, "has no valid certificate with the thumbprint CDCD"),
        ({"update_source_approved": {"canary": ["KB5058411"]}}, "Give update_source_catalogue, the signed catalogue"),
        (by(signed, update_source_approved={"pilot": []}), "update_source_approved must name no others"),
        (by(signed, update_source_approved={"early": ["KB5000001"]}), "KB5000001 isn't in catalogue 1"),
        (by(signed, update_source_root=str(foreign.root)), "catalogue.json: "),
    ]
    assert [message for changes, message in wrong if message not in failed(run(bench, **changes))] == []
    assert differences(before, host(bench).state()) == []


@pytest.mark.usefixtures("installed")
def test_an_update_that_the_service_does_not_have_yet_is_named(bench: Bench, signed: SignedCatalogue) -> None:
    del host(bench).facts["update_source"]["approvals"]["KB5058411"]
    host(bench).facts["upstream"]["articles"] = []
    message = failed(run(bench, **by(signed, update_source_approved={"early": ["KB5058411"]})))
    assert "doesn't approve what the catalogue lets it: KB5058411. It may not have synchronised yet" in message


@pytest.mark.usefixtures("installed")
def test_a_product_that_the_upstream_does_not_offer_is_named(bench: Bench) -> None:
    message = failed(run(bench, update_source_products=["Windows 12"]))
    assert "the upstream offers no products Windows 12" in message
