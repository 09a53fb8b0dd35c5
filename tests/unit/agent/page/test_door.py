"""The clerk's page: who may come in, and what a request must be."""

import socket
from pathlib import Path

import httpx
import pytest

from renkei.agent.activity import Activity
from renkei.agent.home import Home
from renkei.agent.page.door import SESSIONS, Door
from renkei.agent.page.server import _listen, page
from renkei.agent.settings import PageSettings
from unit.agent.page_scenes import FORM, Clerk, page_settings
from unit.agent.register_scenes import arrive, special
from unit.lines import NO_CAS

# -- who may come in


def test_no_answer_waits_until_the_browser_has_acknowledged_its_beginning() -> None:
    with _listen(0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_ticket_is_good_once_and_the_next_lies_there(folder: Path) -> None:
    first = Clerk(folder)
    assert first.enter().status_code == 200
    assert first.get().status_code == 200
    again = Clerk(folder)
    assert again.ticket != first.ticket
    again.ticket = first.ticket
    assert again.enter().status_code == 403
    assert again.get().status_code == 403


def test_only_owner_and_group_can_read_the_ticket(folder: Path) -> None:
    assert (folder / "renkei.html").stat().st_mode & 0o777 == 0o640
    Clerk(folder).enter()
    assert (folder / "renkei.html").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in folder.iterdir()] == ["renkei.html"]


def test_a_folder_that_everybody_reads_lets_nobody_in(home: Home, activity: Activity) -> None:
    assert home.settings.page is not None
    home.settings.page.folder.chmod(0o2755)
    with page(home, activity):
        assert not (home.settings.page.folder / "renkei.html").exists()
        assert [(alarm.kind, alarm.subject) for alarm in home.spool.alarms()] == [("page", "folder")]
    home.settings.page.folder.chmod(0o2750)
    with page(home, activity):
        assert (home.settings.page.folder / "renkei.html").exists()
        assert home.spool.alarms() == []


def test_the_file_goes_with_the_service(home: Home, activity: Activity) -> None:
    assert home.settings.page is not None
    with page(home, activity):
        pass
    assert list(home.settings.page.folder.iterdir()) == []


def test_a_port_that_is_taken_is_an_alarm_and_no_hindrance(home: Home, activity: Activity) -> None:
    assert home.settings.page is not None
    with socket.create_server(("127.0.0.1", home.settings.page.port)), page(home, activity):
        assert [(alarm.kind, alarm.subject) for alarm in home.spool.alarms()] == [("page", "port")]
    with page(home, activity):
        assert home.spool.alarms() == []


def test_the_page_is_on_loopback_and_nowhere_else(folder: Path, home: Home) -> None:
    assert home.settings.page is not None
    assert folder.is_dir()
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in {"127.0.0.2", *map(str, others)}:
        with pytest.raises(ConnectionRefusedError), socket.create_connection((address, home.settings.page.port), 2):
            pass


def test_the_cookie_is_strict_and_bound_to_a_path_of_this_start(folder: Path, home: Home) -> None:
    clerk = Clerk(folder)
    cookie = clerk.enter().headers["set-cookie"]
    assert cookie.startswith("renkei=")
    assert f"Path={clerk.prefix}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Domain" not in cookie
    assert home.settings.page is not None
    assert Door(home.settings.page).prefix != clerk.prefix
    assert httpx.get(f"{clerk.origin}/", cookies=dict(clerk.http.cookies), verify=NO_CAS).status_code == 404


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def entered(door: Door) -> str:
    ticket = door.file.read_text().partition('name="ticket" value="')[2].partition('"')[0]
    secret = door.enter(ticket)
    assert secret is not None
    return secret


def test_a_session_ends_when_nobody_uses_it_and_after_a_day_of_work(tmp_path: Path) -> None:
    clock = Clock()
    door = Door(PageSettings.model_validate({**page_settings(tmp_path / "p"), "session_minutes": 60}), clock)
    door.open()
    idle, busy = entered(door), entered(door)
    for _ in range(10):
        clock.seconds += 3500
        assert door.session(busy) is not None
        door.session(idle, used=False)  # what the page's script asks keeps nobody signed in
    assert door.session(idle) is None
    clock.seconds += 1001
    assert door.session(busy) is None


def test_sessions_are_bounded_and_the_silent_one_goes(tmp_path: Path) -> None:
    clock = Clock()
    door = Door(PageSettings.model_validate(page_settings(tmp_path / "p")), clock)
    door.open()
    secrets = []
    for _ in range(SESSIONS + 1):
        clock.seconds += 1
        secrets.append(entered(door))
    assert [door.session(secret, used=False) is not None for secret in secrets] == [False] + [True] * SESSIONS


def test_signing_out_ends_the_session(clerk: Clerk) -> None:
    cookies = dict(clerk.http.cookies)
    assert "終了しました" in clerk.press("leave").text
    assert httpx.get(f"{clerk.origin}{clerk.prefix}", cookies=cookies, verify=NO_CAS).status_code == 403


# -- what a request must be


@pytest.mark.parametrize("host", ["evil.example:{port}", "localhost:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_name_than_the_pages_own_is_turned_away(clerk: Clerk, host: str) -> None:
    """A name that an attacker lets point to 127.0.0.1 (DNS rebinding) would be same-origin to his script."""
    named = {"Host": host.format(port=clerk.origin.rpartition(":")[2])}
    assert clerk.http.get(clerk.prefix, headers=named).status_code in {400, 421}
    assert clerk.get().status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_post_from_elsewhere_does_nothing(clerk: Clerk, home: Home, headers: dict[str, str]) -> None:
    answer = clerk.http.post(f"{clerk.prefix}exchange", data={"csrf": clerk.csrf()}, headers=headers)
    assert answer.status_code == 403
    assert not home.settings.request_file.exists()


def test_a_post_without_its_sessions_word_does_nothing(clerk: Clerk, folder: Path, home: Home) -> None:
    other = Clerk(folder)
    other.enter()
    for word in ({}, {"csrf": ""}, {"csrf": other.csrf()}):
        assert clerk.http.post(f"{clerk.prefix}exchange", data=word).status_code in {400, 403}
    assert clerk.http.get(f"{clerk.prefix}exchange").status_code == 405
    assert not home.settings.request_file.exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("csrf=x&reason=" + "a" * 9000, FORM["Content-Type"]),
        ("csrf=x&csrf=y", FORM["Content-Type"]),
        ("&".join(f"f{n}=1" for n in range(20)), FORM["Content-Type"]),
        ("csrf=%FF%FE", FORM["Content-Type"]),
        ('{"csrf": "x"}', "application/json"),
        ("csrf=x", "text/plain"),
    ],
)
def test_what_is_no_small_form_is_refused(clerk: Clerk, content: str, kind: str) -> None:
    answer = clerk.http.post(f"{clerk.prefix}language", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert clerk.http.post(f"{clerk.prefix}enter", content=content, headers={"Content-Type": kind}).status_code == 400


def test_no_answer_may_be_framed_read_across_sites_or_kept(clerk: Clerk) -> None:
    for path in ("", "pending", "sheets", "progress", "style.css", "nothing-here"):
        headers = clerk.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(clerk: Clerk, method: str) -> None:
    assert clerk.http.request(method, clerk.prefix).status_code == 405


@pytest.mark.parametrize("path", ["", "pending", "sheets", "sheets/S-000001", "progress"])
def test_without_a_session_nothing_is_said(home: Home, folder: Path, path: str) -> None:
    arrive(home, [special(1)])
    stranger = Clerk(folder)
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "S-000001" not in answer.text
    assert home.party not in answer.text.replace(stranger.prefix, "")
