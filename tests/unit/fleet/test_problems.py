"""Every kind of bad row is named with file and line, and all of them at once."""

import shutil
from pathlib import Path

import pytest

from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet

from .conftest import Draft

ROOT = Path(__file__).parents[3]
ENDPOINTS, TERMINALS = "endpoints.csv", "terminals.csv"
ROW = "131041,online,canary,folder,100000,"  # what follows are wan_address, site_block, place …


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        (ENDPOINTS, "131041,online", "131042,online", "ends in check digit 2, but 13104 has check digit 1"),
        (ENDPOINTS, "011011,on_demand", "11011,on_demand", "a spreadsheet dropped the leading 0: write 011011"),
        (ENDPOINTS, "131041,online", "011002,online", "code 011002 is of no municipality or ward"),
        (ENDPOINTS, "131041,online", "012271,online", "endpoint 012271 stands in line 3 already"),
        (ENDPOINTS, ",canary,", ",first,", "write one of canary, early, main or add the ring"),
        (ENDPOINTS, ",online,", ",always,", "write one of online, on_demand, media"),
        (ENDPOINTS, "media,1500", "floppy,1500", "register_bridge 'floppy' is unknown"),
        (ENDPOINTS, ",1500,", ",1.5M,", "line_kbps '1.5M' is no line speed"),
        (ENDPOINTS, ",1500,", ",1500000000000000000000,", "is no line speed"),
        (ENDPOINTS, ROW + ",,", ROW + "172.20.0.300,,", "wan_address '172.20.0.300' is no IPv4 address"),
        (ENDPOINTS, ROW + ",,", ROW + "192.0.2.1,,", "192.0.2.1 is no host's address in lgwan 172.20.0.0/15"),
        (ENDPOINTS, ROW + ",,", ROW + "172.20.0.17,,", "172.20.0.17 clashes with that of ministry (fleet.yml:15)"),
        (ENDPOINTS, ROW + ",,", ROW + ",10.64.0.33/27,", "has host bits set"),
        (ENDPOINTS, ROW + ",,", ROW + ",192.0.2.0/27,", "192.0.2.0/27 lies outside of sites 10.64.0.0/10"),
        (ENDPOINTS, ROW + ",,", ROW + ",10.65.0.0/28,", "is too small"),
        (ENDPOINTS, ROW + ",,", ROW + ",10.64.128.0/20,", "clashes with that of 011011 (endpoints.csv:2)"),
        (ENDPOINTS, ROW + ",,", ROW + ",,,", "the row has 11 cells, the header 10"),
        (ENDPOINTS, ROW + ",,", ROW + ',,"{{ evil }}', "is not CSV"),
        (ENDPOINTS, ROW + ",,", ROW + ",,{{ evil }}", "holds a control character or the mark of a template"),
        (ENDPOINTS, ",ring,", ",wave,", "column 'ring' is missing"),
        (ENDPOINTS, ",note", ",note,note", "column 'note' stands twice"),
        (TERMINALS, "LAB0A0901", "LAB0A1301", "machine_serial LAB0A1301 stands in line 2 already"),
        (TERMINALS, "R2025-0001", "R2021-0001", "asset_number R2021-0001 stands in line 3 already"),
        (TERMINALS, "R2025-0001", "", "asset_number '' is not 1 to 40 letters"),
        (TERMINALS, "R2024-0001,012271", "R2024-0001,473821", "473821, which is no endpoint of this fleet"),
        (TERMINALS, "shared", "rented", "profile 'rented' is unknown; write one of dedicated, shared"),
        (TERMINALS, "RK-T200", "", "model is empty"),
        (TERMINALS, "2025-07-22", "", "a machine that is in_service needs in_service_on"),
        (TERMINALS, "2025-07-22", "2025-02-30", "in_service_on 2025-02-30 is no day of the calendar"),
        (TERMINALS, "2025-07-22", "2025/7/22", "in_service_on '2025/7/22' is not written as a day"),
        (TERMINALS, "2025-07-22", "2024-07-22", "are not in this order"),
        (TERMINALS, "2026-06-15,,R2021", "2026-06-15,2026-07-01,R2021", "a machine that is in_service has retired_on"),
        (TERMINALS, ",R2021-0001,", ",R2099-0001,", "'R2099-0001', which is no other machine"),
        (TERMINALS, "R2025-0001,011011", "R2025-0001,131041", "has R2026-0001 (line 2) in service already"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_line(draft: Draft, file: str, old: str, new: str, what: str) -> None:
    line = draft.line(file, old)
    draft.edit(file, old, new)
    found = [problem for problem in draft.problems() if problem.startswith(f"{file}:{line}: ")]
    assert any(what in problem for problem in found), draft.problems()


def test_an_endpoint_without_a_machine_is_named_where_it_stands(draft: Draft) -> None:
    draft.edit("terminals.csv", "in_service,2025-07-01,2025-07-22,,", "retired,2025-07-01,2025-07-22,2026-01-01,")
    (problem,) = draft.problems()
    assert problem.startswith("endpoints.csv:2: endpoint 011011 has no machine that is ordered, staged or in service;")


def test_a_block_that_covers_several_sites_clashes_with_each(draft: Draft) -> None:
    draft.edit("endpoints.csv", ROW + ",,", ROW + ",10.64.128.0/19,")
    assert [problem.split(" clashes with that of ")[1].split(";")[0] for problem in draft.problems()] == [
        "011011 (endpoints.csv:2)",
        "012271 (endpoints.csv:3)",
    ]


def test_the_machine_in_service_serves_whichever_row_comes_first(draft: Draft) -> None:
    lines = (draft.folder / "terminals.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    staged = "R2026-0002,131041,dedicated,RK-T300,LAB0A1302,staged,2026-11-01,,,R2026-0001,\n"
    for rows in ([lines[0], staged, *lines[1:]], [*lines, staged]):
        (draft.folder / "terminals.csv").write_text("".join(rows), encoding="utf-8")
        terminal = load_fleet(draft.folder).sites["131041"].terminal
        assert terminal is not None
        assert terminal.asset_number == "R2026-0001"


def test_a_machine_that_was_replaced_but_not_retired_is_named(draft: Draft) -> None:
    draft.edit("terminals.csv", "retired,2021-05-10,2021-05-24,2026-06-15", "staged,2021-05-10,,")
    assert draft.problems() == ["terminals.csv:3: replaces R2021-0001, which is staged; set its state to retired"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("name: lab", "name: Lab 1", "name: 'Lab 1' does not match"),
        ("timezone: Asia/Tokyo", "timezone: Asia/Tokio", "'Asia/Tokio' is no time zone"),
        ("sites: 10.64.0.0/10", "sites: 10.64.0.0/16", "10.64.0.0/16 is too small"),
        ("sites: 10.64.0.0/10", "sites: 10.32.0.0/10", "'10.32.0.0/10' is no network"),
        ("management: 10.32.0.0/12", "management: 10.64.0.0/12", "and sites 10.64.0.0/10 overlap"),
        ("network: 172.20.0.0/15", "network: 172.20.0.0/15\n    gateway: 10.0.0.1", "10.0.0.1 is no host's"),
        ("management: 10.32.0.0/12", "management: 10.32.0.0/12\n  controller: 10.32.0.18", "is one of site asp"),
        ("gateway: 10.31.255.1", "gateway: 10.31.255.9", "10.31.255.9 is no host's address in 10.31.255.0/30"),
        ("rings: [canary, early, main]", "rings: []", "rings: [] should be non-empty"),
        ('"08:45"', '"8:45"', "exchange.times.0: '8:45' does not match"),
        ("jitter_seconds: 600", "jitter_seconds: ten", "exchange.jitter_seconds: 'ten' is not of type 'integer'"),
        ("ansible_become: true", "serial: 5", "defaults: "),
        ("registers: true", "registers: true\nregister: true", "('register' was unexpected)"),
        ("domain: renkei.test", "domain: [", "is not YAML"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named(draft: Draft, old: str, new: str, what: str) -> None:
    draft.edit("fleet.yml", old, new)
    assert any(problem.startswith("fleet.yml:") and what in problem for problem in draft.problems()), draft.problems()


def test_a_setting_is_named_with_its_line(draft: Draft) -> None:
    line = draft.line("fleet.yml", "jitter_seconds")
    draft.edit("fleet.yml", "jitter_seconds: 600", "jitter_seconds: -1")
    assert draft.problems()[0].startswith(f"fleet.yml:{line}: exchange.jitter_seconds: ")


def test_all_problems_of_all_files_come_at_once(draft: Draft) -> None:
    draft.edit("fleet.yml", "Asia/Tokyo", "Asia/Tokio")
    draft.edit("endpoints.csv", ",online,", ",always,")
    draft.edit("endpoints.csv", ",1500,", ",fast,")
    draft.edit("terminals.csv", "shared", "rented")
    named = [problem.split(": ")[0] for problem in draft.problems()]
    assert named == ["endpoints.csv:3", "endpoints.csv:4", "fleet.yml:7", "terminals.csv:4"]


def test_problems_of_the_flow_file_come_along(draft: Draft) -> None:
    draft.edit("endpoints.csv", ",online,", ",always,")
    draft.edit("../policy/flows.yml", "protocol: udp", "protocol: sctp")
    assert {problem.split(":")[0] for problem in draft.problems()} == {"endpoints.csv", "flows.yml"}


def test_a_byte_order_mark_crlf_and_blank_lines_change_nothing(draft: Draft, lab: Fleet) -> None:
    for name in ("endpoints.csv", "terminals.csv"):
        file = draft.folder / name
        text = file.read_text(encoding="utf-8").replace("\n", "\r\n") + "\r\n,,,,,,,,,\r\n".replace(",", "")
        file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    read = load_fleet(draft.folder)
    assert list(read.sites.values()) == list(lab.sites.values())
    assert read.terminals == lab.terminals


def test_every_line_that_is_not_utf8_is_named(draft: Draft) -> None:
    file = draft.folder / "endpoints.csv"
    file.write_bytes(file.read_text(encoding="utf-8").encode("cp932"))
    found = [problem for problem in draft.problems() if "is not UTF-8" in problem]
    assert [problem.split(": ")[0] for problem in found] == ["endpoints.csv:2", "endpoints.csv:3", "endpoints.csv:4"]
    assert all("save the file as `CSV UTF-8`" in problem for problem in found)


def test_a_missing_file_is_named(draft: Draft) -> None:
    (draft.folder / "terminals.csv").unlink()
    assert draft.problems()[0].startswith("terminals.csv:1: can't be read (No such file or directory); put")


def test_a_country_without_a_gateway_on_lgwan_is_refused(draft: Draft) -> None:
    draft.folder = draft.folder.with_name("sample")
    shutil.copytree(ROOT / "inventory" / "sample", draft.folder)
    draft.edit("fleet.yml", "    gateway: 172.20.0.1\n", "")
    assert draft.problems() == ["fleet.yml:11: the routers of 1892 endpoints have no common gateway; add lgwan.gateway"]
