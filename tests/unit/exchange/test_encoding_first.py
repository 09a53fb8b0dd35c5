from collections.abc import Callable
from typing import Any

import cbor2
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.notices import TYPES, Inquiry, ResidenceNotice, StatusNotice
from renkei.domain.notices.base import Notice
from renkei.exchange.encoding import MAX_DECODED, EncodingError
from renkei.exchange.encoding.first import decode, encode
from renkei.exchange.payloads import MAX_NOTICES

MAGIC = b"RNK\x01"
WAY_TOO_LARGE = b"\x00" * (MAX_DECODED + 1)


def content(value: object) -> bytes:
    return MAGIC + zstandard.compress(cbor2.dumps(value, canonical=True))


def body(notice: Any) -> list[Any]:
    value: list[Any] = cbor2.loads(zstandard.decompress(encode([notice])[4:]))
    return value


def column(field: str, notice_type: type[Notice] = ResidenceNotice) -> int:
    return [item.field for item in notice_type.ITEMS].index(field)


@given(data=st.data())
def test_notices_come_back_as_they_were_and_in_order(data: st.DataObject, residence_notices: Any) -> None:
    notices = data.draw(residence_notices)
    assert decode(encode(notices)) == notices
    assert encode(notices) == encode(list(notices)), "the same notices have the same encoding"


def test_the_other_direction_is_encoded_too(a_status_notice: Callable[..., StatusNotice]) -> None:
    notices = [a_status_notice(), a_status_notice(number="M-2", period="無期限", expires_on=None, status="永住者")]
    assert decode(encode(notices)) == notices


def test_many_similar_notices_take_a_fraction_of_the_room(a_residence_notice: Callable[..., ResidenceNotice]) -> None:
    one = len(encode([a_residence_notice()]))
    many = len(encode([a_residence_notice(number=f"131041-{number:08}") for number in range(1000)]))
    assert many < 1000 * one / 20


def test_none_too_many_or_mixed_notices_are_refused(
    a_residence_notice: Callable[..., ResidenceNotice], a_status_notice: Callable[..., StatusNotice]
) -> None:
    for wrong in ([], [a_residence_notice()] * (MAX_NOTICES + 1), [a_residence_notice(), a_status_notice()]):
        with pytest.raises(EncodingError, match="1 to 10000 notices of one type"):
            encode(wrong)


def test_what_this_version_does_not_have_is_refused_not_dropped(
    a_residence_notice: Callable[..., ResidenceNotice],
) -> None:
    inquiry = Inquiry(number="1", municipality="131041", kind="状態照会", target="2")
    with pytest.raises(EncodingError, match="version 1 of the encoding has no 照会"):
        encode([inquiry])
    for changes, item in (
        ({"corrects": "2"}, "訂正対象通知番号"),
        ({"kanji_name": "秘", "kanji_original": "秘"}, "原文字"),
    ):
        with pytest.raises(EncodingError, match=f"version 1 of the encoding has no item .*{item}") as refused:
            encode([a_residence_notice(), a_residence_notice(**changes)])
        assert "秘" not in str(refused.value)
    number, count, columns = body(a_residence_notice())
    assert len(columns) == len(ResidenceNotice.items(1))
    for wrong in ([2, count, columns], [number, count, [*columns, None, None]]):
        with pytest.raises(EncodingError):
            decode(content(wrong))


@pytest.mark.parametrize("bomb", ["declared", "small-window", "undeclared", "lying", "empty"])
def test_a_decompression_bomb_is_refused_before_it_unfolds(bomb: str) -> None:
    match bomb:
        case "declared":
            frame = zstandard.compress(WAY_TOO_LARGE)
        case "small-window":
            small = zstandard.ZstdCompressionParameters(window_log=10)
            frame = zstandard.ZstdCompressor(compression_params=small).compress(WAY_TOO_LARGE)
            assert zstandard.get_frame_parameters(frame).window_size < 10_000
        case "undeclared":
            frame = zstandard.ZstdCompressor(write_content_size=False).compress(WAY_TOO_LARGE)
        case "lying":
            frame = bytearray(zstandard.ZstdCompressor().compress(b"\x00" * 60_000))
            size = frame.index((60_000 - 256).to_bytes(2, "little"))
            frame[size : size + 2] = b"\x01\x00"
            frame = bytes(frame)
        case _:
            frame = zstandard.compress(b"")
    reason = "one whole zstd frame" if bomb == "lying" else "would unpack"
    with pytest.raises(EncodingError, match=reason):
        decode(MAGIC + frame)


def test_what_comes_after_the_frame_is_refused(a_residence_notice: Callable[..., ResidenceNotice]) -> None:
    good = encode([a_residence_notice()])
    for surplus in (b"\x00", good[4:]):
        with pytest.raises(EncodingError, match="one whole zstd frame"):
            decode(good + surplus)
    with pytest.raises(EncodingError, match="one whole zstd frame"):
        decode(good[:-1])


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    for wrong in (noise, MAGIC + noise, MAGIC + zstandard.compress(noise)):
        with pytest.raises(EncodingError):
            decode(wrong)


@pytest.mark.parametrize(
    "text",
    [
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # an array of 2^64 - 1
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",  # a string of 2^63 - 1 bytes
        b"\x81" * 100_000,  # nested a hundred thousand deep
        b"\x9f\x00\x01\x80\xff",  # an array without a length
        b"\x83\x18\x00\x01\x80",  # 0 in two bytes
        b"\x83\x00\x01\x80\x00",  # something after the end
        b"\xd8\x23\x61(",  # a regular expression
        b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x01",  # a NaN of one's own
    ],
    ids=["array", "string", "deep", "indefinite", "long-form", "surplus", "regexp", "nan"],
)
def test_cbor_that_is_not_plain_and_deterministic_is_refused(text: bytes) -> None:
    with pytest.raises(EncodingError):
        decode(MAGIC + zstandard.compress(text))


def test_the_same_notices_in_another_spelling_are_refused(a_residence_notice: Callable[..., ResidenceNotice]) -> None:
    text = zstandard.decompress(encode([a_residence_notice()])[4:])
    assert text.startswith(b"\x83\x00\x01")
    for spelled in (b"\x83\x18\x00\x01", b"\x83\x00\x18\x01"):
        with pytest.raises(EncodingError, match="deterministic"):
            decode(MAGIC + zstandard.compress(spelled + text[3:]))


def test_content_of_another_shape_is_refused(a_residence_notice: Callable[..., ResidenceNotice]) -> None:
    number, count, columns = body(a_residence_notice())
    for wrong in (
        {},
        [number, count],
        [len(TYPES), count, columns],
        [-1, count, columns],
        [True, count, columns],
        [number, 0, columns],
        [number, MAX_NOTICES + 1, columns],
        [number, True, columns],
        [number, count, columns[:-1]],
        [number, count, {}],
        [number, 2, columns],
        [number, count, [[] for _ in columns]],
        [number, count, [[None] for _ in columns]],
    ):
        with pytest.raises(EncodingError):
            decode(content(wrong))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filed_on", "2026-11-20"),
        ("filed_on", 0),
        ("filed_on", True),
        ("filed_on", 10**9),
        ("sex", 2),
        ("sex", -1),
        ("sex", True),
        ("sex", "男"),
        ("name", 7),
        ("name", ""),
        ("name", b"NGUYEN"),
        ("name", ["NGUYEN"]),
    ],
)
def test_a_value_of_another_type_is_refused(
    field: str, value: object, a_residence_notice: Callable[..., ResidenceNotice]
) -> None:
    number, count, columns = body(a_residence_notice())
    columns[column(field)] = [value]
    with pytest.raises(EncodingError, match="the column"):
        decode(content([number, count, columns]))


def test_a_notice_that_breaks_the_rules_is_refused_without_telling_it(
    a_residence_notice: Callable[..., ResidenceNotice],
) -> None:
    number, count, columns = body(a_residence_notice())
    columns[column("card_number")] = ["秘密の番号"]
    with pytest.raises(EncodingError, match="在留カード番号") as refused:
        decode(content([number, count, columns]))
    assert "秘密" not in str(refused.value)
    assert "NGUYEN" not in str(refused.value)


def test_another_version_is_refused_by_name(a_residence_notice: Callable[..., ResidenceNotice]) -> None:
    with pytest.raises(EncodingError, match="version 1"):
        decode(b"RNK\x02" + encode([a_residence_notice()])[4:])
