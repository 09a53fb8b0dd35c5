"""Simulated notices: valid by the notices' own rules, plausible, and the same for the same seed."""

import re
from collections import Counter
from dataclasses import replace
from datetime import date
from io import BytesIO

import pytest

from renkei.domain.kanji import MARK, KanjiName
from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import MID_TO_LONG, SPECIAL_PERMANENT, ResidenceNotice, StatusNotice
from renkei.ministry.people import add_months
from renkei.ministry.populations import NATIONALITIES, STATUSES
from renkei.ministry.simulator import residence_notices, status_notices

CODES = ["131041", "011011", "012271"]
DAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def statuses() -> list[StatusNotice]:
    return status_notices(CODES, 2000, 1, DAY)


@pytest.fixture(scope="module")
def residences() -> list[ResidenceNotice]:
    return residence_notices("131041", 1000, 1, DAY, "東京都新宿区")


def test_every_row_is_a_valid_notice(statuses: list[StatusNotice], residences: list[ResidenceNotice]) -> None:
    assert read(BytesIO(write(statuses, Layout())), [StatusNotice]).notices == statuses
    assert read(BytesIO(write(residences, Layout())), [ResidenceNotice]).notices == residences


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    first, again, other = (write(status_notices(CODES, 50, seed, DAY), Layout()) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_numbers_are_unique_over_seeds_and_days() -> None:
    days = (DAY, date(2026, 11, 24))
    numbers = [each.number for day in days for seed in (1, 2) for each in status_notices(CODES, 100, seed, day)]
    assert len(set(numbers)) == len(numbers)


def test_each_endpoint_gets_a_notice_as_long_as_there_are_enough() -> None:
    assert {each.municipality for each in status_notices(CODES, 3, 1, DAY)} == set(CODES)
    assert len(status_notices(CODES, 1, 1, DAY)) == 1


def test_every_nationality_group_and_status_comes_up(statuses: list[StatusNotice]) -> None:
    nationalities = Counter(each.nationality for each in statuses)
    assert set(nationalities) <= {each.name for each in NATIONALITIES}
    assert [name for name, _ in nationalities.most_common(2)] == ["中国", "ベトナム"]
    common = {each.name for group in STATUSES.values() for each in group if each.weight > 10}
    assert common <= {each.status for each in statuses}


def test_kanji_stand_only_where_cards_bear_them(statuses: list[StatusNotice]) -> None:
    for each in statuses:
        assert (each.kanji_name is not None) == (each.nationality in {"中国", "台湾", "韓国"})


def test_names_in_kanji_travel_as_they_were_handed_in_where_that_is_wanted(statuses: list[StatusNotice]) -> None:
    both = status_notices(CODES, 2000, 1, DAY, originals=True)
    assert [replace(each, kanji_original=None) for each in both] == statuses
    assert all((each.kanji_original is None) == (each.kanji_name is None) for each in both)
    for each in both:
        if each.kanji_original is not None:
            assert KanjiName.of(each.kanji_original).converted == each.kanji_name
            assert MARK not in str(each.kanji_name)
    simplified = [each for each in both if each.kanji_original != each.kanji_name]
    assert {each.nationality for each in simplified} == {"中国"}
    assert len(simplified) > 100


def test_a_period_fits_its_status_and_the_stay_has_not_run_out(statuses: list[StatusNotice]) -> None:
    periods = {each.name: each.periods for group in STATUSES.values() for each in group}
    for each in statuses:
        if each.category != MID_TO_LONG or each.period is None or each.status is None:
            continue
        found = re.fullmatch(r"(?:(\d)年)?(?:(\d)月)?", each.period)
        if found is None:
            assert (each.period, periods[each.status], each.expires_on) == ("無期限", (), None)
            continue
        years, months = (int(part or 0) for part in found.groups())
        assert (years, months) in periods[each.status]
        assert each.expires_on is not None
        assert DAY <= each.expires_on <= add_months(DAY, 12 * years + months)


def test_a_stay_without_end_is_granted_but_never_extended(statuses: list[StatusNotice]) -> None:
    for each in statuses:
        if each.period == "無期限" and "在留期間" in each.changed_items.split("、"):
            assert "在留資格" in each.changed_items.split("、")


def test_a_special_permanent_resident_has_a_certificate_and_no_card(statuses: list[StatusNotice]) -> None:
    special = [each for each in statuses if each.category == SPECIAL_PERMANENT]
    assert special
    assert all(each.certificate_number and not each.card_number and not each.status for each in special)


def test_no_special_permanent_resident_is_told_to_the_ministry_as_settled(residences: list[ResidenceNotice]) -> None:
    assert all(each.card_number for each in residences)
    assert all(each.address.startswith("東京都新宿区") for each in residences)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 11, 23), 51, date(2031, 2, 23)),
    ],
)
def test_a_stay_ends_on_the_same_day_of_a_later_month_or_on_its_last(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later
