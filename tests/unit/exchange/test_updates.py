"""The documents of patching: what comes back, what is refused, and when a terminal may begin."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.certificates import make_key
from renkei.exchange.documents import DocumentError, Signer, payload_sha256
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Payload
from renkei.exchange.updates import (
    MAX_UPDATES,
    MAX_WINDOWS,
    PERMIT_LASTS,
    Catalogue,
    Consent,
    Order,
    OrderError,
    PatchState,
    Permit,
    Update,
    Window,
    check_start,
)

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID, WAVE = UUID("0b5f4c1e-3c2b-4b1e-9a55-0c8b8d1f7a10"), UUID("6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d11")
DIGEST = "ab" * 32
PLACE = (Party("131041"), "T-0001")
WHERE: dict[str, Any] = {"endpoint": PLACE[0], "terminal": PLACE[1]}
KEY = make_key()
SIGNER, PUBLIC = Signer(KEY), KEY.public_key()


def update(kb: str = "KB5058411", build: str = "26100.4061", *requires: str) -> Update:
    file = f"windows11.0-{kb.lower()}-x64.msu"
    return Update(
        kb=kb, build=build, file=file, sha256=DIGEST, size=700_000_000, urgency="routine", requires=list(requires)
    )


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        **WHERE,
        "id": ID,
        "wave": WAVE,
        "action": "install",
        "updates": [update()],
        "windows": [Window(opens=AT + 24 * day * HOUR, closes=AT + (24 * day + 5) * HOUR) for day in range(3)],
        "minutes": 60,
        "permit": True,
        "issued_at": AT - HOUR,
        "expires": AT + 53 * HOUR,
    }
    return Order(**{**values, **changes})


def permit(envelope: bytes, **changes: Any) -> Permit:
    values = {**WHERE, "order": ID, "order_sha256": payload_sha256(envelope), "given_at": AT, "expires": AT + HOUR / 4}
    return Permit(**{**values, **changes})


def state(**changes: Any) -> PatchState:
    values: dict[str, Any] = {
        **WHERE,
        "answers": ID,
        "stage": "done",
        "build": "26100.4061",
        "installed": ["KB5058411"],
        "missing": [],
        "catalogue": 7,
        "exchanged_at": AT,
        "problem": None,
        "checked_at": AT,
    }
    return PatchState(**{**values, **changes})


DOCUMENTS: list[Payload] = [
    Catalogue(
        number=7,
        issued_at=AT,
        updates=[
            update("KB5043080", "26100.1742"),
            update(),
        ],
    ),
    Consent(wave=WAVE, plan_sha256=DIGEST, person="sato", role="planner", at=AT),
    order(),
    permit(order().sign(SIGNER)),
    state(problem="完了"),
]


SIGNED = {document.KIND: document.sign(SIGNER) for document in DOCUMENTS}


def each(document: Payload) -> str:
    return document.KIND


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
def test_a_document_comes_back_from_its_envelope(document: Payload) -> None:
    assert type(document).open(document.sign(SIGNER), PUBLIC) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
@given(data=st.data())
def test_a_changed_byte_is_refused(document: Payload, data: st.DataObject) -> None:
    envelope = SIGNED[document.KIND]
    place = data.draw(st.integers(0, len(envelope) - 1))
    changed = envelope[:place] + bytes([envelope[place] ^ data.draw(st.integers(1, 255))]) + envelope[place + 1 :]
    with pytest.raises(DocumentError):
        type(document).open(changed, PUBLIC)


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
def test_a_document_of_another_key_or_kind_is_refused(document: Payload) -> None:
    with pytest.raises(DocumentError, match="is signed by the key"):
        type(document).open(document.sign(Signer(make_key())), PUBLIC)
    other = next(each for each in DOCUMENTS if each.KIND != document.KIND)
    with pytest.raises(DocumentError, match=f"is a {other.KIND}, not a {document.KIND}"):
        type(document).open(other.sign(SIGNER), PUBLIC)


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
def test_every_field_is_needed_of_its_type_and_no_other_is_taken(document: Payload) -> None:
    values = document.to_json()
    for name, value in values.items():
        with pytest.raises(DocumentError, match=name):
            type(document).read({other: value for other, value in values.items() if other != name})
        for wrong in (True, [], {}, -1, "\x07", "x" * 2000):
            if wrong != value and not (name in {"permit", "installed", "missing"} and wrong in (True, [])):
                with pytest.raises(DocumentError):
                    type(document).read({**values, name: wrong})
    with pytest.raises(DocumentError, match="surplus"):
        type(document).read({**values, "surplus": 1})


def test_what_is_largest_fits_into_an_envelope() -> None:
    names = [f"KB{500_000_000 + each}" for each in range(MAX_UPDATES)]
    updates = [update(name).model_copy(update={"file": f"{name:-<76}.cab"}) for name in names]
    Catalogue(number=1, issued_at=AT, updates=updates).sign(SIGNER)
    windows = [Window(opens=AT + 24 * day * HOUR, closes=AT + (24 * day + 5) * HOUR) for day in range(MAX_WINDOWS)]
    order(updates=updates, windows=windows).sign(SIGNER)
    names = [f"KB{500_000_000 + each}" for each in range(640)]
    state(installed=names[:512], missing=names[512:]).sign(SIGNER)


def test_a_catalogue_names_what_an_update_requires_before_it() -> None:
    first, second = update("KB5043080", "26100.1742"), update("KB5058411", "26100.4061", "KB5043080")
    catalogue = Catalogue(number=1, issued_at=AT, updates=[first, second])
    assert catalogue.chosen(["KB5058411"]) == [first, second]
    assert catalogue.chosen(["KB5043080"]) == [first]
    with pytest.raises(DocumentError, match="KB1234567 isn't in catalogue 1; it has KB5043080, KB5058411"):
        catalogue.chosen(["KB1234567"])
    for wrong, why in (([second, first], "requires KB5043080, which must stand before it"), ([first, first], "twice")):
        with pytest.raises(DocumentError, match=why):
            Catalogue.read({**catalogue.to_json(), "updates": [each.model_dump(mode="json") for each in wrong]})


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (AT - 2 * HOUR, "the order holds from"),
        (AT - HOUR / 2, "none of the order's windows is open"),
        (AT + 5 * HOUR, "none of the order's windows is open"),
        (AT + 4.5 * HOUR, "the work takes 60 minutes"),
        (AT + 15 * timedelta(minutes=1), "the permit holds from"),
        (AT + 25 * HOUR, "the permit holds from"),
        (AT + 53 * HOUR, "the order holds from"),
    ],
)
def test_a_terminal_begins_in_its_window_and_in_the_time_of_its_permit(moment: datetime, why: str) -> None:
    envelope = order().sign(SIGNER)
    given = permit(envelope).sign(SIGNER)
    check_start(order(), envelope, given, PUBLIC, PLACE, AT)
    check_start(order(), envelope, given, PUBLIC, PLACE, AT + PERMIT_LASTS - timedelta(seconds=1))
    with pytest.raises(OrderError, match=why):
        check_start(order(), envelope, given, PUBLIC, PLACE, moment)


def test_an_order_or_a_permit_of_somebody_else_lets_nobody_begin() -> None:
    envelope = order().sign(SIGNER)
    foreign = (Party("011011"), "T-0001")
    with pytest.raises(OrderError, match="the order is for 131041/T-0001; this is 011011/T-0001"):
        check_start(order(), envelope, permit(envelope).sign(SIGNER), PUBLIC, foreign, AT)
    for changes, why in (
        ({"endpoint": Party("011011")}, "the permit is for 011011/T-0001"),
        ({"terminal": "T-0002"}, "the permit is for 131041/T-0002"),
        ({"order": WAVE}, "the permit is for another order"),
        ({"order_sha256": DIGEST}, "the permit is for another order"),
    ):
        with pytest.raises(OrderError, match=why):
            check_start(order(), envelope, permit(envelope, **changes).sign(SIGNER), PUBLIC, PLACE, AT)
    with pytest.raises(DocumentError, match="is signed by the key"):
        check_start(order(), envelope, permit(envelope).sign(Signer(make_key())), PUBLIC, PLACE, AT)


def test_an_order_says_whether_it_needs_a_permit() -> None:
    with pytest.raises(OrderError, match="needs a permit"):
        check_start(order(), order().sign(SIGNER), None, PUBLIC, PLACE, AT)
    free = order(permit=False)
    check_start(free, free.sign(SIGNER), None, PUBLIC, PLACE, AT)


@pytest.mark.parametrize(
    ("document", "changes", "why"),
    [
        (order(), {"expires": "2026-11-27T09:00:00Z"}, "no later than its last window closes"),
        (order(), {"expires": "2026-11-24T08:00:00Z"}, "expires after it was issued"),
        (order(), {"endpoint": "ministry"}, "has no terminal"),
        (order(), {"updates": [*order().to_json()["updates"], update(build="19044.1").model_dump()]}, "one version"),
        (permit(order().sign(SIGNER)), {"expires": "2026-11-24T09:15:01Z"}, "15 minutes at most"),
        (permit(order().sign(SIGNER)), {"expires": "2026-11-24T09:00:00Z"}, "15 minutes at most"),
        (state(), {"missing": ["KB5058411"]}, "both installed and missing"),
        (state(), {"answers": None}, "answers no order"),
        (state(), {"stage": "checked"}, "answers no order"),
        (state(), {"stage": "blocked"}, "must be named"),
    ],
)
def test_what_contradicts_itself_is_refused(document: Payload, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        type(document).read({**document.to_json(), **changes})


def test_windows_follow_one_another() -> None:
    first, second = Window(opens=AT, closes=AT + 2 * HOUR), Window(opens=AT + HOUR, closes=AT + 3 * HOUR)
    for windows in ([first, second], [second, first], [Window(opens=AT + HOUR, closes=AT)]):
        with pytest.raises(ValueError, match="follow one another"):
            order(windows=windows, expires=AT + HOUR)


@pytest.mark.parametrize(
    ("changes", "fulfilled"),
    [
        ({}, True),
        ({"build": "26100.4062"}, True),
        ({"build": "26200.1"}, True),
        ({"build": "26100.999"}, False),
        ({"installed": ["KB5043080"]}, False),
    ],
)
def test_installed_is_believed_only_when_the_build_says_so(changes: dict[str, Any], *, fulfilled: bool) -> None:
    assert state(**changes).fulfils(order()) is fulfilled


def test_an_uninstalled_update_is_one_that_is_not_there() -> None:
    assert not state().fulfils(order(action="uninstall"))
    assert state(build="26100.4000", installed=[]).fulfils(order(action="uninstall"))
