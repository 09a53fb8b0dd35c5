"""The page of a wave: why it was halted, on which evidence, and what to do; and how it does in a real browser."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from renkei.cli.kit import ROOT
from renkei.domain.halting import Fault, HaltingRule, Reason, Rise
from renkei.evidence.wave_page import DRAWN, SIGNS, write_page
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.waves import words
from renkei.fleet.waves.engine import load
from renkei.fleet.waves.grounds import Ground
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.report import Progress, Situation, Trouble, WaveReport, edition
from renkei.fleet.waves.state import Phase
from renkei.store.waves.ledger import Act
from unit.evidence.browsing import PICTURES, RULES, Page, browser_at
from unit.evidence.wave_scenes import (
    EVIL,
    HALTS,
    Scene,
    ended,
    halted_by_person,
    halted_by_rule,
    poisoned,
    running,
    with_canaries,
)
from unit.fleet.waves.controller import MINUTE, NAME
from unit.fleet.waves.plans import planned


@pytest.fixture(scope="module")
def lab() -> Fleet:
    return load_fleet(ROOT / "inventory" / "lab")


@pytest.fixture
def scene(lab: Fleet, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(lab, tmp_path, with_canaries(lab, 3, model="RK-T200"))
    yield made
    made.close()


def text_of(found: WaveReport, folder: Path) -> str:
    file = folder / "wave.html"
    write_page(found, file)
    return file.read_text(encoding="utf-8")


def said(text: str) -> str:
    """What the page says, without its tags and its head."""
    body = text[text.index("<body>") : text.index("<script>")]
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("&#39;", "'").split())


def test_a_wave_that_halted_by_itself_says_why_on_which_evidence_and_what_to_do(scene: Scene, tmp_path: Path) -> None:
    found = halted_by_rule(scene).report()
    text = text_of(found, tmp_path)
    words_of_it = said(text)
    first, second, third = scene.names
    assert "停止しました：新しい端末は開始しません（完了 0／3台、作業中 0台）" in words_of_it
    assert "開始した端末 2台のうち 2台が適用後に連携できません。割合は少なくとも 2.1%（許容 0.5%）" in words_of_it
    assert "2 of 2 machines of model RK-T200 that began can't exchange any more" in words_of_it
    assert "機種：RK-T200 2台。都道府県：東京都 1台、北海道 1台" in words_of_it
    evidence = text[text.index('class="acts evidence"') : text.index('id="steps"')]
    for name in (first, second):
        assert name in evidence
    assert third not in evidence
    assert "1日間、連携が成功していません" in evidence
    assert "(2026-11-24 18:36 · 26100.4061)" in said(text)
    for command in (
        f"renkei wave resume {NAME} --as NAME --why WHY",
        f"renkei wave run {NAME} --hub URL --chain FILE --key FILE --people FILE",
        f"renkei wave abort {NAME} --as NAME --why WHY",
        "renkei wave plan --uninstall --kb KB5058411 --catalogue FILE --as NAME --key FILE",
    ):
        assert f"<code>{command}</code>" in text
    for name in (NAME, "sato", "suzuki", "KB5058411", "26100.4061", "東京都新宿区", "戸籍住民課 住民記録係"):
        assert name in words_of_it
    page = Page()
    page.feed(text)
    assert page.links == []
    assert "url(" not in text


def test_a_link_that_lies_beside_the_page_leads_nowhere(scene: Scene, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("of somebody else")
    (tmp_path / ".wave.html.new").symlink_to(victim)
    assert text_of(scene.report(), tmp_path).startswith("<!doctype html>")
    assert victim.read_text() == "of somebody else"


def test_why_it_halted_is_read_from_the_ledger_and_not_judged_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted_by_rule(scene)

    def judge(*_: object) -> None:
        raise AssertionError("the ledger has it")

    monkeypatch.setattr(HaltingRule, "judge", judge)
    [shown] = scene.report().grounds
    assert shown.kind == Fault.NO_EXCHANGE
    assert [row.terminal for row in shown.rows] == scene.names[:2]


def test_a_person_halted_it_and_nothing_that_anybody_says_is_more_than_text(scene: Scene, tmp_path: Path) -> None:
    first, _, third = scene.names
    running(scene)
    scene.controller.says(third, "blocked", scene.now, problem=f"{EVIL}\x9b\u202e")
    scene.by_person("halt", EVIL, *HALTS)
    found = scene.report()
    assert found.halt is not None
    assert (found.halt.person, found.halt.words, found.grounds) == ("suzuki", EVIL, ())
    text = text_of(found, tmp_path)
    assert "<img" not in text
    assert EVIL not in text
    assert "suzuki が停止しました：&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;" in text
    assert "報告：&lt;img" in text
    assert not {"\x9b", "\u202e"} & set(text)
    assert "停止したsuzukiに状況を確認する" in said(text)
    assert "完了 0／3台、作業中 1台" in said(text)
    assert first not in text, "who is at work, and in time, needs nobody"
    assert "システムドライブの空きが812 MiBです（10240 MiB必要）" in said(text)
    assert "空き容量を増やすよう市区町村に依頼する" in said(text)


def test_a_halt_that_an_earlier_release_wrote_down_is_the_rules_too(scene: Scene, tmp_path: Path) -> None:
    running(scene)
    halt = Act("halt", detail="not back: 3 of 9 machines that started; the rate is at least 1.0%, accepted is 0.5%")
    scene.controller.ledger.add(NAME, 10**9, lambda _: [halt])
    found = scene.report()
    assert found.halt is not None
    assert found.halt.person == ""
    assert "停止の規則による：not back: 3 of 9 machines" in said(text_of(found, tmp_path))


def test_after_a_resume_the_page_has_no_reason_any_more_and_its_course_has_both(scene: Scene, tmp_path: Path) -> None:
    halted_by_rule(scene).by_person("resume", "the firewall is mended", Phase.HALTED)
    found = scene.report()
    assert (found.situation, found.halt, found.grounds) == (Situation.RUNNING, None, ())
    assert [event.what for event in found.course] == ["planned", "approved", "begun", "halt", "resume"]
    assert [row.trouble for row in found.rows] == [Trouble.NO_EXCHANGE, Trouble.NO_EXCHANGE]
    assert "suzuki the firewall is mended" in said(text_of(found, tmp_path))


def test_it_says_in_words_where_a_wave_stands_from_its_plan_to_its_end(scene: Scene, tmp_path: Path) -> None:
    state = load(scene.controller.ledger, NAME)
    approved = scene.report()
    assert "承認済み：3台はまだ開始していません" in said(text_of(approved, tmp_path))
    planned = replace(approved, state=replace(state, approval=b""), situation=Situation.PLANNED)
    assert f"renkei wave approve {NAME} --as NAME --key FILE --people FILE" in text_of(planned, tmp_path)
    night = scene.plan.hosts[0].windows[0]
    scene.turn()
    assert scene.report().situation is Situation.RUNNING
    paused = scene.report(night.closes)
    assert paused.opens == scene.plan.hosts[0].windows[1].opens
    assert "作業時間帯を待っています：次は 2026-11-25 18:00 から（完了 0／3台）" in said(text_of(paused, tmp_path))
    found = ended(scene).report()
    assert "終了しました：3台のうち 完了 2台、完了していない端末 1台" in said(text_of(found, tmp_path))
    assert [(row.terminal, row.trouble) for row in found.rows] == [(scene.names[-1], Trouble.UNSTARTED)]
    assert found.course[-1].what == "finished"


def test_an_aborted_wave_says_how_to_take_its_orders_back_and_its_update_away(scene: Scene, tmp_path: Path) -> None:
    scene.permit(scene.names[0])
    scene.end(scene.names[0])
    scene.by_person("abort", "a worse one is out", *HALTS)
    text = text_of(scene.report(), tmp_path)
    assert "中止しました：新しい端末は開始しません（完了 1／3台、作業中 0台）" in said(text)
    assert f"<code>renkei wave run {NAME} --hub" in text
    assert "<code>renkei wave plan --uninstall --kb KB5058411" in text


def test_a_wave_that_uninstalls_says_of_nothing_that_it_was_installed(lab: Fleet, tmp_path: Path) -> None:
    scene = Scene(lab, tmp_path, with_canaries(lab, 3, model="RK-T200").model_copy(update={"action": "uninstall"}))
    found = halted_by_rule(scene).report()
    words_of_it = said(text_of(found, tmp_path))
    scene.close()
    assert found.halt is not None
    assert "2台がアンインストールに失敗しました" in words_of_it
    assert "アンインストールが原因のとき：中止し、原因を除いて計画し直す" in words_of_it
    assert "適用" not in words_of_it
    failed = Ground(Reason(Fault.FAILED, None, 2, 2, 0.1, 0.02), ())
    rise = Ground(Rise(None, 2, 2, 0, 298, 9.0, 3.0), ())
    for each in (failed, rise):
        ja, en = words.ground_sentence(each, "uninstall")
        assert "アンインストール" in ja
        assert not re.search("適用|更新", ja)
        assert not re.search("to install|have the update", en)


def test_who_was_held_up_when_a_wave_was_aborted_is_asked_for_nothing_more(scene: Scene) -> None:
    """Its order is taken back: it asks again for nothing, whatever is removed from its way."""
    _, second, _ = scene.names
    running(scene)
    assert [(row.terminal, row.trouble) for row in scene.report().rows] == [(second, Trouble.BLOCKED)]
    scene.by_person("abort", "a worse one is out", *HALTS)
    assert scene.report().rows == ()


def test_who_is_late_is_shown_with_the_moment_from_which_it_is_overdue_and_then_as_overdue(scene: Scene) -> None:
    first, *_ = scene.names
    scene.permit(first)
    state, begun = load(scene.controller.ledger, NAME), scene.now
    assert scene.report().rows == ()
    late = scene.report(begun + 60 * MINUTE)
    [row] = late.rows
    assert (row.terminal, row.trouble, row.since) == (first, Trouble.LATE, begun)
    assert row.until == begun + timedelta(hours=2)
    assert words.act(row)[1] == "wait until 2026-11-24 20:07: then it is overdue"
    assert edition(state, begun) != edition(state, begun + 60 * MINUTE), "so that the page is written anew"
    assert edition(state, begun + 60 * MINUTE) == edition(state, begun + 61 * MINUTE)
    scene.turn(120)
    [row] = scene.report().rows
    assert (row.trouble, row.until) == (Trouble.UNREACHABLE, None)
    scene.controller.says(first, "done", scene.now)
    scene.turn()
    [row] = scene.report().rows
    assert words.why(row, "install")[1] == "it was overdue, and has spoken since"


def test_on_media_orders_are_on_their_way_and_nobody_is_at_work(lab: Fleet, tmp_path: Path) -> None:
    hosts = [host for host in planned(lab).hosts if host.group == "media"]
    scene = Scene(lab, tmp_path, planned(lab).model_copy(update={"hosts": hosts}))
    scene.turn()
    found = scene.report()
    assert (found.situation, found.whole.counts) == (Situation.RUNNING, {Progress.ORDERED: 1})
    assert "実行中：1台のうち 完了 0台、作業中 0台" in said(text_of(found, tmp_path))
    scene.close()


def test_everything_that_is_shown_has_a_name_in_both_languages_and_a_sign_of_its_own() -> None:
    assert set(SIGNS) == set(DRAWN) == set(words.PROGRESS) == set(Progress)
    assert len(set(SIGNS.values())) == len(Progress)
    assert all(
        word and "{" not in word and (action == "install" or "適用" not in word)
        for action in words.ACTIONS
        for each in Trouble
        for word in words.trouble(each, action)
    )
    assert set(words.SITUATIONS) == set(Situation)
    assert {str(fault) for fault in Fault} < set(words.ACTS_ON_GROUND)


WAYS = [("次にすること", 1280), ("What to do", 1280), ("次にすること", 390), ("What to do", 390)]


@pytest.mark.thorough
def test_in_a_browser_it_is_accessible_by_keyboard_and_in_both_languages_and_widths(lab: Fleet, tmp_path: Path) -> None:
    sample = load_fleet(ROOT / "inventory" / "sample")
    scenes: dict[str, tuple[Fleet, Plan, Callable[[Scene], Scene], list[tuple[str, int]]]] = {
        "halted": (sample, with_canaries(sample, 120), poisoned, WAYS),
        "by-person": (
            lab,
            with_canaries(lab, 3, model="RK-T200"),
            lambda scene: halted_by_person(scene, EVIL),
            WAYS[2:3],
        ),
        "running": (lab, planned(lab), running, WAYS[1:3]),
        "ended": (lab, with_canaries(lab, 3, model="RK-T200"), ended, WAYS[:1]),
    }
    for name, (fleet, plan, make, ways) in scenes.items():
        folder = tmp_path / name
        folder.mkdir()
        scene = make(Scene(fleet, folder, plan))
        write_page(scene.report(), folder / "index.html")
        scene.close()
        with browser_at(folder / "index.html") as shown:
            expect(shown.locator("#why")).to_have_count(int(name in {"halted", "by-person"}))
            expect(shown.locator(".verdict")).to_have_css("color", "rgb(255, 255, 255)")
            shown.keyboard.press("Tab")
            expect(shown.locator("#language")).to_be_focused()
            for word, width in ways:
                shown.set_viewport_size({"width": width, "height": 900})
                if not shown.get_by_role("heading", name=word).is_visible():
                    shown.locator("#language").focus()
                    shown.keyboard.press("Enter")
                expect(shown.get_by_role("heading", name=word)).to_be_visible()
                verdict = Axe().run(shown, options={"runOnly": {"type": "tag", "values": RULES}})
                assert verdict.violations_count == 0, verdict.generate_report()
                assert shown.evaluate("document.documentElement.scrollWidth") <= width
                shown.locator("#language").blur()
                language = "ja" if word == WAYS[0][0] else "en"
                shown.screenshot(path=PICTURES / f"wave-{name}-{language}-{width}.png", full_page=True)
            expect(shown.locator("img")).to_have_count(0)
