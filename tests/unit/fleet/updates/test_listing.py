"""The ministry's list of updates: two people for each, one truth for both ways, numbers that rise."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.certificates import make_key
from renkei.exchange.documents import DocumentError, Signer
from renkei.exchange.updates import Catalogue, Update
from renkei.fleet.updates import listing
from renkei.fleet.updates.listing import ListError, read_list
from renkei.fleet.updates.rings import for_update_source
from renkei.store.errors import StoreError
from renkei.store.update_list import Act, Issued, UpdateList

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
KEYS = {name: make_key() for name in ("sato", "suzuki", "tanaka")}
PEOPLE = {name: key.public_key() for name, key in KEYS.items()}
SPARE = make_key()
_KEY = make_key()
AUTHORITY, AUTHORITY_KEY = Signer(_KEY), _KEY.public_key()
FIRST, SECOND, THIRD = "KB5043080", "KB5058411", "KB5062553"
RINGS = ("canary", "early", "broad")


def update(kb: str, *requires: str, digest: str = "ab") -> Update:
    build = f"26100.{int(kb[-4:])}"
    words = {"kb": kb, "build": build, "file": f"{kb}.msu", "sha256": digest * 32, "size": 700, "urgency": "routine"}
    return Update.model_validate({**words, "requires": list(requires)})


class Book:
    """A list, as people work on it."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.keys = dict(KEYS)
        self.people = dict(PEOPLE)
        self.catalogues: list[Issued] = []

    def renew(self, person: str) -> None:
        """The file of people has another key of a person from now on."""
        self.keys[person] = SPARE if self.keys[person] is KEYS[person] else KEYS[person]
        self.people[person] = self.keys[person].public_key()

    def bring(self, *updates: Update, person: str = "sato") -> list[Act]:
        signed, signer = listing.signed_packages(self.catalogues), Signer(self.keys[person])
        return self._add(listing.import_acts(self.acts, signed, updates, person, signer, self.people, NOW))

    def approve(self, *kbs: str, person: str = "suzuki", key: str = "", rings: tuple[str, ...] = RINGS) -> list[Act]:
        signer = Signer(self.keys[key or person])
        return self._add(listing.approve_acts(self.acts, kbs, rings, person, signer, self.people, NOW))

    def decline(self, *kbs: str, person: str = "suzuki") -> list[Act]:
        return self._add(listing.decline_acts(self.acts, kbs, "breaks printing", person, NOW))

    def _add(self, acts: list[Act]) -> list[Act]:
        self.acts += acts
        return acts

    def sign(self) -> Issued:
        newest = self.catalogues[-1] if self.catalogues else None
        self.catalogues.append(listing.issue(self.acts, newest, self.people, AUTHORITY, NOW))
        return self.catalogues[-1]

    def approved(self) -> list[str]:
        return [each.kb for each in listing.approved(self.acts, self.people)]


@pytest.fixture
def book() -> Book:
    found = Book()
    found.bring(update(SECOND, FIRST), update(FIRST))
    return found


def test_what_was_imported_waits_until_somebody_else_approves_it(book: Book) -> None:
    assert {each.standing for each in read_list(book.acts).values()} == {"waiting"}
    assert book.approved() == []
    book.approve(FIRST, SECOND)
    assert book.approved() == [FIRST, SECOND]  # in the order of prerequisites, not of arrival


def test_nobody_approves_what_he_imported_nor_with_anothers_key(book: Book) -> None:
    for person, key, message in (
        ("sato", "sato", "sato imported KB5043080: somebody else"),
        ("suzuki", "tanaka", "isn't signed by his key"),
    ):
        with pytest.raises(ListError, match=message):
            book.approve(FIRST, person=person, key=key)
    with pytest.raises(ListError, match="KB9999999: nobody imported it"):
        book.approve("KB9999999")
    assert book.approved() == []


def test_a_list_that_was_changed_behind_peoples_backs_is_not_signed(book: Book) -> None:
    book.approve(FIRST)
    forged = json.dumps({**json.loads(book.acts[1].detail), "sha256": "ff" * 32})
    changes: list[tuple[int, dict[str, Any], str]] = [
        (1, {"detail": forged}, "sato signed for another KB5043080"),
        (2, {"detail": "canary"}, "suzuki signed for another KB5043080"),
        (2, {"person": "tanaka"}, "isn't signed by his key"),
        (2, {"document": b""}, "isn't signed by his key"),
        (1, {"person": "nobody"}, "isn't among the people"),
    ]
    for number, change, message in changes:
        acts = list(book.acts)
        acts[number] = replace(acts[number], **change)
        with pytest.raises(ListError, match=message):
            listing.approved(acts, PEOPLE)


def test_a_declined_update_is_in_no_catalogue_and_may_be_approved_after_all(book: Book) -> None:
    book.approve(FIRST, SECOND)
    with pytest.raises(ListError, match="KB5058411 is approved and requires KB5043080"):
        book.decline(FIRST)
    book.decline(SECOND)
    assert book.approved() == [FIRST]
    assert read_list(book.acts)[SECOND].why == "breaks printing"
    book.approve(SECOND, person="tanaka")
    assert book.approved() == [FIRST, SECOND]


def test_another_file_of_an_update_waits_anew_and_the_same_one_is_known(book: Book) -> None:
    book.approve(FIRST)
    assert book.bring(update(FIRST)) == []
    assert len(book.bring(update(FIRST, digest="cd"), person="tanaka")) == 1
    assert book.approved() == []
    book.approve(FIRST)
    assert listing.approved(book.acts, PEOPLE)[0].sha256 == "cd" * 32


def test_the_name_of_a_package_that_a_catalogue_names_is_its_for_good(book: Book) -> None:
    book.approve(FIRST, SECOND)
    book.sign()
    book.decline(SECOND)
    book.sign()
    others = [update(FIRST, digest="cd"), update(SECOND, digest="cd"), update(THIRD, digest="cd")]
    before = list(book.acts)
    with pytest.raises(ListError) as found:
        book.bring(*others)
    assert [line.split(": ")[:2] for line in str(found.value).splitlines()] == [
        ["KB5043080.msu", "catalogue 2 has another package of this name, sha256 " + "ab" * 32],
        ["KB5058411.msu", "catalogue 1 has another package of this name, sha256 " + "ab" * 32],
    ]
    shouted = update(FIRST, digest="cd").model_copy(update={"file": "KB5043080.MSU"})  # on a medium it is the same file
    with pytest.raises(ListError, match="catalogue 2 has another package of this name"):
        book.bring(shouted)
    assert book.acts == before
    assert [act.kb for act in book.bring(update(SECOND), others[2])] == [SECOND, THIRD]  # the very one comes back
    renamed = others[0].model_copy(update={"file": "again.msu"})
    assert [act.kb for act in book.bring(renamed)] == [FIRST]


def test_after_a_key_renewal_importing_and_approving_anew_is_all_it_takes(book: Book) -> None:
    book.approve(FIRST)
    book.renew("sato")
    with pytest.raises(ListError, match=r"word of sato on KB5043080 isn't signed by his key.*`renkei updates import`"):
        book.approved()
    assert [act.kb for act in book.bring(update(FIRST))] == [FIRST]
    assert read_list(book.acts)[FIRST].standing == "waiting"
    book.approve(FIRST)
    assert (book.approved(), book.bring(update(FIRST))) == ([FIRST], [])


def test_an_approval_of_who_has_left_is_made_good_by_another_and_never_counts_for_a_ring(book: Book) -> None:
    book.approve(FIRST, rings=("canary", "early"))
    del book.people["suzuki"]
    with pytest.raises(ListError, match=r"suzuki.* isn't among the people.*`renkei updates approve KB5043080 --ring c"):
        book.approved()
    book.approve(FIRST, person="tanaka", rings=("canary",))
    with pytest.raises(ListError, match=r"`renkei updates approve KB5043080 --ring early`\), or"):
        book.approved()
    book.approve(FIRST, person="tanaka", rings=("early",))
    assert book.approved() == [FIRST]


def test_every_word_that_counts_no_more_is_named_at_once(book: Book) -> None:
    book.approve(FIRST, SECOND)
    book.renew("suzuki")
    with pytest.raises(ListError) as found:
        book.approved()
    assert [line.count("suzuki") > 0 for line in str(found.value).splitlines()] == [True, True]


def test_a_word_that_wouldnt_count_is_not_written_down(book: Book) -> None:
    book.approve(FIRST)
    with pytest.raises(ListError, match=r"isn't signed by his key.*use the key that belongs to tanaka"):
        book.approve(FIRST, person="tanaka", key="suzuki")
    del book.people["tanaka"]
    with pytest.raises(ListError, match=r"tanaka.* isn't among the people"):
        book.bring(update(THIRD), person="tanaka")
    book.renew("sato")
    book.keys["sato"] = KEYS["sato"]
    with pytest.raises(ListError, match="use the key that belongs to sato"):
        book.bring(update(FIRST))


def test_a_declined_update_that_comes_again_waits(book: Book) -> None:
    book.decline(SECOND)
    assert [act.kb for act in book.bring(update(SECOND, FIRST), update(FIRST))] == [SECOND]
    assert read_list(book.acts)[SECOND].standing == "waiting"


def test_what_cant_be_installed_in_order_is_not_signed(book: Book) -> None:
    book.approve(SECOND)
    with pytest.raises(ListError, match="KB5058411 requires KB5043080, which isn't approved"):
        book.approved()
    book.bring(update(FIRST, SECOND))
    book.approve(FIRST)
    with pytest.raises(ListError, match="require one another"):
        book.approved()
    with pytest.raises(ListError, match="have one file"):
        book.bring(update(THIRD).model_copy(update={"file": f"{FIRST.lower()}.msu"}))


def test_both_ways_have_the_same_updates(book: Book) -> None:
    book.bring(update(THIRD))
    book.approve(FIRST, SECOND, rings=("canary",))
    book.approve(FIRST, person="tanaka", rings=("early",))
    book.decline(THIRD)
    with pytest.raises(ListError, match="no catalogue was signed yet"):
        for_update_source(book.acts, None, PEOPLE, RINGS)
    first = book.sign()
    expected = {"canary": [FIRST, SECOND], "early": [FIRST], "broad": []}
    assert for_update_source(book.acts, first, PEOPLE, RINGS) == {
        "update_source_approved": expected,
        "update_source_declined": [THIRD],
    }
    book.approve(SECOND, person="tanaka", rings=("broad",))
    found = for_update_source(book.acts, first, PEOPLE, RINGS)["update_source_approved"]
    assert found == {**expected, "broad": [FIRST, SECOND]}  # with what it requires, as the role has it
    with pytest.raises(ListError, match="the ring 'early'; the fleet has canary"):
        for_update_source(book.acts, first, PEOPLE, ["canary"])
    book.approve(THIRD)
    with pytest.raises(ListError, match=r"KB5062553 isn't in catalogue 1.*sign what was approved since"):
        for_update_source(book.acts, first, PEOPLE, RINGS)


def test_numbers_rise_and_what_is_unchanged_keeps_its_catalogue(book: Book, tmp_path: Path) -> None:
    def decide(acts: list[Act], newest: Issued | None) -> Issued:
        return listing.issue(acts, newest, PEOPLE, signer, NOW + timedelta(hours=1))

    signer = AUTHORITY
    with UpdateList(tmp_path / "updates.db") as store:
        with pytest.raises(ListError, match="nothing is approved"):
            store.issue(decide)
        store.add(lambda _: book.acts)
        store.add(
            lambda acts: listing.approve_acts(acts, [FIRST], RINGS, "suzuki", Signer(KEYS["suzuki"]), PEOPLE, NOW)
        )
        first, new = store.issue(decide)
        assert (first.number, new, store.issue(decide)) == (1, True, (first, False))
        store.add(
            lambda acts: listing.approve_acts(acts, [SECOND], RINGS, "suzuki", Signer(KEYS["suzuki"]), PEOPLE, NOW)
        )
        second, _ = store.issue(decide)
        signer = Signer(make_key())  # the authority has another key
        third, _ = store.issue(decide)
        assert (second.number, third.number) == (2, 3)
        assert store.newest() == third
        with pytest.raises(StoreError, match="numbers rise"):
            store.issue(lambda _acts, _newest: first)


def test_two_desks_never_give_one_number(book: Book, tmp_path: Path) -> None:
    """Both have looked at the list before either of them signs."""
    book.approve(FIRST)
    file = tmp_path / "updates.db"
    with UpdateList(file) as one, UpdateList(file) as other:
        one.add(lambda _: book.acts)
        other.newest()
        signers = [Signer(make_key()), Signer(make_key())]
        issued = [
            store.issue(lambda acts, newest, by=by: listing.issue(acts, newest, PEOPLE, by, NOW))[0]
            for store, by in zip((one, other), signers, strict=True)
        ]
    assert [each.number for each in issued] == [1, 2]


def test_a_list_that_is_none_says_so() -> None:
    with pytest.raises(DocumentError, match="holds an update that is none"):
        read_list([Act("import", FIRST, "sato", "{}")])
    with pytest.raises(ListError, match="which nobody imported"):
        read_list([Act("decline", FIRST, "sato", "why")])


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["bring", "other", "approve", "for-canary", "decline", "renew", "leave"]),
        st.sampled_from([FIRST, SECOND, THIRD]),
        st.sampled_from(list(KEYS)),
    ),
    max_size=14,
)


def _do(book: Book, what: str, kb: str, person: str) -> None:
    match what:
        case "bring" | "other":
            book.bring(update(kb, digest="ab" if what == "bring" else "cd"), person=person)
        case "approve":
            book.approve(kb, person=person)
        case "for-canary":
            book.approve(kb, person=person, rings=("canary",))
        case "decline":
            book.decline(kb, person=person)
        case "renew":
            book.renew(person)
        case "leave":
            book.people.pop(person, None)


def _agreed(book: Book, each: listing.Listed) -> bool:
    """Two people of today signed by their keys of today, for each ring."""
    counting = {person for person in book.people if book.keys[person].public_key() == book.people[person]}
    rings = {ring for person, some, _ in each.approvals if person in counting - {each.importer} for ring in some}
    return each.standing == "approved" and each.importer in book.people and rings == set(each.rings)


@given(_STEPS)
def test_whatever_people_do_nothing_is_signed_that_two_did_not_agree_on(steps: list[tuple[str, str, str]]) -> None:
    book, numbers, newest = Book(), [], None
    for what, kb, person in steps:
        before = list(book.acts)
        try:
            _do(book, what, kb, person)
        except ListError:
            assert book.acts == before
        listed = read_list(book.acts)
        try:
            found = listing.approved(book.acts, book.people)
        except ListError:
            assert any(word in {"renew", "leave"} for word, _, _ in steps)
            continue
        assert all(_agreed(book, listed[each.kb]) and listed[each.kb].update == each for each in found)
        if found:
            issued = listing.issue(book.acts, newest, book.people, AUTHORITY, NOW)
            assert newest is None or issued == newest or issued.number == newest.number + 1
            newest = issued
            numbers.append(issued.number)
    assert numbers == sorted(numbers)
    if newest is not None:
        Catalogue.open(newest.envelope, AUTHORITY_KEY)


@given(_STEPS, st.permutations(list(KEYS)))
def test_whatever_has_happened_two_people_of_today_can_have_every_update_signed(
    steps: list[tuple[str, str, str]], order: list[str]
) -> None:
    book = Book()
    for step in steps:
        with suppress(ListError):
            _do(book, *step)
    one, other = order[:2]
    book.people |= {person: book.keys[person].public_key() for person in (one, other)}
    listed = read_list(book.acts)
    book.bring(*(each.update for each in listed.values()), person=one)
    for kb, each in read_list(book.acts).items():
        if each.standing == "waiting":
            book.approve(kb, person=one if each.importer == other else other)
    assert sorted(book.approved()) == sorted(listed)
