import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.certificates import make_key
from renkei.exchange.sealing import OVERHEAD, SealingError, public_point, seal, unseal

KEY = make_key()


@given(st.binary(max_size=500), st.binary(max_size=200))
def test_the_recipient_opens_what_was_sealed_for_him(plaintext: bytes, info: bytes) -> None:
    encapsulated, sealed = seal(plaintext, KEY.public_key(), info)
    assert (len(encapsulated), len(sealed)) == (65, len(plaintext) + OVERHEAD)
    assert unseal(encapsulated, sealed, KEY, info) == plaintext


@given(st.data())
def test_an_altered_byte_of_key_ciphertext_or_info_is_found(data: st.DataObject) -> None:
    encapsulated, sealed = seal(b"plaintext", KEY.public_key(), b"info")
    whole = bytearray(encapsulated + sealed + b"info")
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealingError):
        unseal(bytes(whole[:65]), bytes(whole[65:-4]), KEY, bytes(whole[-4:]))


def test_another_recipient_opens_nothing() -> None:
    encapsulated, sealed = seal(b"plaintext", KEY.public_key(), b"info")
    with pytest.raises(SealingError):
        unseal(encapsulated, sealed, make_key(), b"info")


@pytest.mark.parametrize("length", [0, 1, OVERHEAD - 1])
def test_a_ciphertext_cut_short_is_refused(length: int) -> None:
    encapsulated, sealed = seal(b"plaintext", KEY.public_key(), b"")
    with pytest.raises(SealingError):
        unseal(encapsulated, sealed[:length], KEY, b"")


def test_the_same_message_is_sealed_differently_each_time() -> None:
    assert seal(b"x", KEY.public_key(), b"") != seal(b"x", KEY.public_key(), b"")


def test_a_public_key_is_written_as_an_uncompressed_point() -> None:
    numbers = KEY.public_key().public_numbers()
    assert public_point(KEY.public_key()) == b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
