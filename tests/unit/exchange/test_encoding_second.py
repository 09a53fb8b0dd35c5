"""Version 2 of the encoding: what goes in comes out, strangers' bytes do no harm, and later releases' columns pass."""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import cbor2
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renkei.domain.notices import TYPES, ImportResult, Inquiry, Notice, ResidenceNotice, StatusNotice
from renkei.exchange import encoding
from renkei.exchange.encoding import EncodingError, first, second
from renkei.exchange.encoding.addresses import read_addresses
from renkei.exchange.encoding.plans import PLANS
from renkei.exchange.encoding.ranked import write_ranked
from renkei.exchange.encoding.second import decode, encode
from renkei.exchange.encoding.streams import Reader, Written
from renkei.exchange.payloads import MAX_NOTICES
from renkei.ministry.simulator import residence_notices, status_notices
from unit.domain.rows import NOTICES
from unit.examples import examples

MAGIC = b"RNK\x02"
TODAY = date(2026, 11, 23)
PACKAGE = Path(second.__file__).parent
DICTIONARY = (PACKAGE / second.DICTIONARY).read_bytes()
SHINJUKU = ("131041", 20, 7, TODAY, "東京都新宿区")

any_notices = st.sampled_from(TYPES).flatmap(lambda kind: st.lists(NOTICES[kind](), min_size=1, max_size=6))


def compress(body: bytes) -> bytes:
    """As a peer would that writes other bodies than ours."""
    dictionary = zstandard.ZstdCompressionDict(DICTIONARY)
    parameters = zstandard.ZstdCompressionParameters.from_level(3, write_content_size=True, write_dict_id=False)
    return MAGIC + zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress(body)


def items(notices: list[Any]) -> list[Any]:
    value: list[Any] = cbor2.loads(b"".join(second.to_pieces(notices)))
    return value


def content(value: object) -> bytes:
    return compress(cbor2.dumps(value, canonical=True))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], max_examples=examples(40))
@given(notices=any_notices)
def test_notices_of_every_type_come_back_as_they_were_and_in_order(notices: list[Notice]) -> None:
    written = encode(notices)
    assert decode(written).notices == notices
    assert decode(written).ignored == 0
    assert encode(list(notices)) == written, "the same notices have the same encoding"


def test_what_is_written_apart_is_one_deterministic_item() -> None:
    for notices in (residence_notices(*SHINJUKU), status_notices(["131041"], 20, 7, TODAY)):
        body = b"".join(second.to_pieces(notices))
        assert cbor2.dumps(cbor2.loads(body), canonical=True) == body


@pytest.mark.parametrize("count", [1, 2, 7, 300])
def test_people_of_every_kind_come_back(count: int) -> None:
    sent: list[Notice] = [*residence_notices("131041", count, 3, TODAY, "東京都新宿区")]
    assert decode(encode(sent)).notices == sent
    sent = [*status_notices(["131041"], count, 3, TODAY)]
    assert decode(encode(sent)).notices == sent


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "0"},
        {"number": "A-1", "corrects": "99999999999999999999"},
        {"number": "007-A"},
        {"address": "番地"},
        {"address": "1番"},
        {"address": "東京都新宿区本町1丁目01番002号 本町本町荘99999999"},
        {"address": "東京都新宿区\N{IDEOGRAPHIC SPACE}0番", "previous_address": "市市市区区1市2区3町"},
        {"name": "CHEN MEILI", "kanji_name": "陳美麗"},
        {"name": "CHEN", "kanji_name": "陳美麗花"},
        {"name": "OUYANG MEI", "kanji_name": "欧陽美"},
        {"name": "A  B", "kanji_name": "𠮷"},
        {"kanji_name": "陳美", "kanji_original": "陈美"},
        {"kanji_name": "陳美", "kanji_original": "陈"},
        {"birth_date": "1990-00-00"},
        {"birth_date": "1990-05-00"},
        {"birth_date": "1850-01-01"},
        {"filed_on": date(2150, 12, 31), "moved_on": date(2012, 7, 9)},
    ],
)
def test_the_hard_cases_of_each_form_come_back(
    changes: dict[str, Any], a_residence_notice: Callable[..., ResidenceNotice]
) -> None:
    odd = a_residence_notice(**changes)
    for notices in ([odd], [a_residence_notice(), odd], [odd, a_residence_notice(), odd]):
        assert decode(encode(notices)).notices == notices


def test_every_item_of_every_type_has_a_column() -> None:
    assert set(PLANS) == set(TYPES)
    for notice_type, plan in PLANS.items():
        fields = [field for column in plan for field in column.fields]
        assert sorted(fields) == sorted(item.field for item in notice_type.ITEMS)
        for place, column in enumerate(plan):
            before = {field for earlier in plan[:place] for field in earlier.fields}
            assert {column.context, *column.decided_by} - {""} <= before, "what a column depends on stands before it"


def test_the_numbers_of_columns_never_change() -> None:
    """Columns are appended; a number that means something else would turn one item into another."""
    assert [column.fields for column in PLANS[ResidenceNotice]] == [
        *(
            ("number",),
            ("municipality",),
            ("basis",),
            ("filed_on",),
            ("nationality",),
            ("sex",),
            ("name", "kanji_name"),
        ),
        *(("birth_date",), ("address",), ("card_number",), ("settled_on",), ("moved_on",), ("previous_address",)),
        *(("kanji_original",), ("corrects",)),
    ]
    assert [column.fields[0] for column in PLANS[StatusNotice]] == [
        *("number", "municipality", "notified_on", "category", "changed_items", "cause", "changed_on", "nationality"),
        *("sex", "name", "birth_date", "status", "period", "expires_on", "card_number", "certificate_number"),
        *("permit_expires_on", "kanji_original", "corrects"),
    ]
    assert [column.fields[0] for column in PLANS[TYPES[2]]] == [
        *("number", "municipality", "cause", "action", "processed_on", "category", "nationality", "sex", "name"),
        *("birth_date", "address", "card_number", "certificate_number", "changed_items", "previous_address", "basis"),
        *("filed_on", "departs_on", "event_on", "kanji_original", "corrects"),
    ]
    assert [column.fields[0] for column in PLANS[TYPES[3]]] == [
        *("number", "municipality", "issued_on", "card_number", "corrects"),
    ]
    assert [column.fields[0] for column in PLANS[ImportResult]] == [
        *("number", "municipality", "target", "result", "error_item", "reason", "processed_on"),
    ]
    assert [column.fields[0] for column in PLANS[Inquiry]] == ["number", "municipality", "kind", "target"]


def test_an_optional_column_of_a_later_release_is_passed_over_and_counted() -> None:
    notices = residence_notices(*SHINJUKU)
    number, count, table, *streams = items([*notices])
    later = [number, count, [*table, 40, 0, 2, 41, 0, 1], *streams, 7, b"abc", b"def"]
    decoded = decode(content(later))
    assert decoded.notices == notices
    assert decoded.ignored == 2


def test_a_critical_column_of_a_later_release_is_refused() -> None:
    number, count, table, *streams = items([*residence_notices(*SHINJUKU)])
    with pytest.raises(EncodingError, match=r"column 40.*newest release"):
        decode(content([number, count, [*table, 40, 1, 1], *streams, 7]))


def test_whether_a_column_is_critical_follows_from_whether_its_item_is_needed(
    a_residence_notice: Callable[..., ResidenceNotice],
) -> None:
    table = items([a_residence_notice(corrects="2", kanji_name="陳", kanji_original="陈")])[2]
    critical = dict(zip(table[::3], table[1::3], strict=True))
    optional = {number for number, needed in critical.items() if not needed}
    assert {PLANS[ResidenceNotice][number].fields for number in optional} == {("kanji_original",), ("corrects",)}


def test_a_type_or_version_of_a_later_release_is_refused_with_what_to_do() -> None:
    number, *rest = items([*residence_notices(*SHINJUKU)])
    with pytest.raises(EncodingError, match="type that this software doesn't know; install"):
        decode(content([len(TYPES), *rest]))
    with pytest.raises(EncodingError, match=r"version 3.*reads the versions.*install"):
        encoding.decode(b"RNK\x03" + b"anything")
    assert number == 0


def test_both_versions_are_read_and_written_and_neither_drops_anything(
    a_residence_notice: Callable[..., ResidenceNotice],
) -> None:
    notices = [a_residence_notice()]
    for version in encoding.VERSIONS:
        written = encoding.encode(notices, version)
        assert encoding.version_of(written) == version
        assert encoding.decode(written).notices == notices
    newer = replace(notices[0], corrects="9")
    assert encoding.carries(2, newer)
    assert not encoding.carries(1, newer)
    assert encoding.carries(1, notices[0])
    assert not encoding.carries(1, Inquiry(number="1", municipality="131041", kind="状態照会", target="2"))
    with pytest.raises(EncodingError, match="version 1"):
        first.encode([newer])
    with pytest.raises(EncodingError, match="not 3"):
        encoding.encode(notices, 3)


def test_none_too_many_or_mixed_notices_are_refused(
    a_residence_notice: Callable[..., ResidenceNotice], a_status_notice: Callable[..., StatusNotice]
) -> None:
    for wrong in ([], [a_residence_notice()] * (MAX_NOTICES + 1), [a_residence_notice(), a_status_notice()]):
        with pytest.raises(EncodingError, match="1 to 10000 notices of one type"):
            encode(wrong)


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = MAGIC + zstandard.ZstdCompressor().compress(bytes(encoding.MAX_DECODED + 1))
    with pytest.raises(EncodingError, match="would unpack"):
        decode(bomb)
    with pytest.raises(EncodingError, match="whole zstd frame"):
        decode(encode([*residence_notices(*SHINJUKU)]) + b"\0")


def test_few_bytes_do_not_become_many_long_texts() -> None:
    """Each row may point to the same text: an item's length bounds it before the rows are made."""
    number, _, table, *streams = items([*residence_notices("131041", 1, 7, TODAY, "東京都新宿区")])
    texts = [at for at, stream in enumerate(streams) if isinstance(stream, bytes) and len(stream) > 2]
    assert len(texts) > 5
    for at in texts:
        longer = [*streams[:at], streams[at] + b"A" * 1_000_000, *streams[at + 1 :]]
        with pytest.raises(EncodingError):
            decode(content([number, 1, table, *longer]))


@given(noise=st.binary(max_size=300))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    for wrong in (noise, MAGIC + noise, compress(noise)):
        with pytest.raises(EncodingError):
            decode(wrong)


@pytest.mark.parametrize("seed", range(2))
def test_corrupted_bytes_are_refused_or_are_right_notices(seed: int) -> None:
    """Bytes changed below the compression get past its checks; whatever comes out keeps its type's rules."""
    chance = random.Random(seed)  # noqa: S311 - damage needs no secrecy
    for notices in (residence_notices(*SHINJUKU), status_notices(["131041"], 20, 7, TODAY)):
        body = b"".join(second.to_pieces(notices))
        for _ in range(150):
            damaged = bytearray(body)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                found = decode(compress(bytes(damaged)))
            except EncodingError:
                continue
            assert len(found.notices) <= MAX_NOTICES


@pytest.mark.parametrize("seed", range(2))
def test_streams_of_another_form_are_refused_or_are_right_notices(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - damage needs no secrecy
    odd: list[Any] = [
        0,
        1,
        255,
        2**40,
        2**53,
        b"",
        b"\0",
        b"\xff" * 20,
        b"\0" * 80,
        bytes(range(40)),
        -1,
        1.5,
        "text",
        [],
    ]
    for notices in (residence_notices(*SHINJUKU), status_notices(["131041"], 20, 7, TODAY)):
        number, count, table, *streams = items([*notices])
        for _ in range(150):
            changed = list(streams)
            changed[chance.randrange(len(changed))] = chance.choice(odd)
            try:
                decode(content([number, count, table, *changed]))
            except EncodingError:
                continue


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [0, 1],
        [0, 0, []],
        [0, MAX_NOTICES + 1, []],
        [True, 1, []],
        [0, True, []],
        [0, 1, {}],
        [0, 1, [0, 1]],
        [0, 1, [0, 2, 1], 7],
        [0, 1, [1, 1, 0, 0, 1, 0]],
        [0, 1, [0, 1, 0, 0, 1, 0]],
        [0, 1, [0, 1, 2000]],
        [0, 1, []],
    ],
)
def test_content_of_another_shape_is_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        decode(content(value))


def test_what_follows_the_last_column_is_refused() -> None:
    with pytest.raises(EncodingError, match="more than its columns"):
        decode(content([*items([*residence_notices(*SHINJUKU)]), 7]))


def test_a_hundred_numbers_in_an_address_come_back_and_more_than_fit_are_refused_early(
    a_residence_notice: Callable[..., ResidenceNotice],
) -> None:
    notice = a_residence_notice(address="番".join(["1"] * 100))
    assert decode(encode([notice])).notices == [notice]
    out = Written()
    for table in (
        ["東京都新宿区"],
        ["本町" * 100],
    ):  # as `write_addresses` writes: place, town, one number, what follows
        write_ranked(out, table, out.texts)
        if len(table[0]) < 10:
            out.numbers([0])
    write_ranked(out, [1], out.numbers)
    out.numbers([0])
    out.numbers([7])
    write_ranked(out, ["\x01" * 100], out.texts, [1])
    whole = b"".join(out.pieces)
    with pytest.raises(EncodingError, match="more than 200 characters"):
        read_addresses(Reader(cbor2.loads(bytes([0x80 + out.parts]) + whole)), 1)


def test_the_same_streams_in_another_spelling_are_refused() -> None:
    body = b"".join(second.to_pieces(residence_notices(*SHINJUKU)))
    assert body[0] & 0xE0 == 0x80
    with pytest.raises(EncodingError, match=r"deterministic|CBOR"):
        decode(compress(body.replace(b"\x00\x14", b"\x18\x00\x14", 1)))


def test_a_notice_that_breaks_the_rules_is_refused_without_telling_it(
    a_residence_notice: Callable[..., ResidenceNotice],
) -> None:
    number, count, table, *streams = items([a_residence_notice()])
    at = streams.index("ベトナム".encode())
    with pytest.raises(EncodingError, match="国籍・地域") as refused:
        decode(content([number, count, table, *streams[:at], b"=SECRET", *streams[at + 1 :]]))
    assert "SECRET" not in str(refused.value)


def test_a_large_parcel_is_less_than_half_of_version_1() -> None:
    notices = residence_notices("131211", 1000, 99, TODAY, "東京都足立区")
    assert len(encode(notices)) < len(first.encode(notices)) / 2


def test_the_dictionary_is_that_of_its_provenance_and_never_changes() -> None:
    """What was compressed with it can be read with nothing else."""
    provenance = json.loads(files("renkei.exchange.encoding").joinpath("second.json").read_text(encoding="utf-8"))
    assert hashlib.sha256(DICTIONARY).hexdigest() == provenance["sha256"]
    assert len(DICTIONARY) <= 8 * 1024
