import json
from typing import Any

import pytest

from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.codes import CodeError
from renkei.exchange.documents import Signer
from renkei.exchange.enrolment import EnrolmentError, EnrolmentFields, EnrolmentRequest, code_key, new_code
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.sealing import public_point

SHINJUKU = Party("131041")
CODE = new_code()
KEY = code_key(CODE, SHINJUKU, "T-0001")
OLD_KEY = make_key()


def fields(**changes: Any) -> EnrolmentFields:
    values: dict[str, Any] = {
        "endpoint": SHINJUKU,
        "terminal": "T-0001",
        "machine_serial": "5CG1234XYZ",
        "csr": CSR,
        "receiving_key": POINT,
    }
    return EnrolmentFields(**{**values, **changes})


CSR = make_request(make_key(), SHINJUKU, "T-0001")
POINT = public_point(make_key().public_key())
CHANGES: list[dict[str, Any]] = [
    {"endpoint": MINISTRY},
    {"terminal": "T-0002"},
    {"machine_serial": "other"},
    {"csr": make_request(make_key(), SHINJUKU, "T-0001")},
    {"receiving_key": public_point(make_key().public_key())},
]


def test_a_request_proves_that_the_machine_has_the_code() -> None:
    request = EnrolmentRequest.from_json(fields().prove(KEY).to_json())
    request.check_proof(code_key(CODE.lower().replace("-", ""), SHINJUKU, "T-0001"))


@pytest.mark.parametrize(
    "key",
    [code_key(new_code(), SHINJUKU, "T-0001"), code_key(CODE, MINISTRY, "T-0001"), code_key(CODE, SHINJUKU, "T-0002")],
    ids=["another code", "another endpoint", "another terminal"],
)
def test_a_code_for_somebody_else_proves_nothing(key: bytes) -> None:
    with pytest.raises(EnrolmentError, match="131041/T-0001 doesn't hold"):
        fields().prove(key).check_proof(KEY)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_hub_that_changes_a_request_is_found_out(change: dict[str, Any]) -> None:
    changed = EnrolmentRequest(**{**fields(**change).model_dump(), "proof": fields().prove(KEY).proof})
    with pytest.raises(EnrolmentError, match="doesn't hold"):
        changed.check_proof(KEY)


def test_the_code_is_not_in_the_request() -> None:
    request = fields().prove(KEY).to_json().decode()
    assert CODE not in request
    assert KEY.hex() not in request


def test_a_mistyped_code_is_named_as_such_before_anything_is_sent() -> None:
    wrong = ("0" if CODE[0] != "0" else "1") + CODE[1:]
    with pytest.raises(CodeError, match="typing error in group 1"):
        code_key(wrong, SHINJUKU, "T-0001")


def test_a_renewal_is_proven_by_the_old_key() -> None:
    request = EnrolmentRequest.from_json(fields().prove_by_old_key(Signer(OLD_KEY)).to_json())
    request.check_renewal(OLD_KEY.public_key())
    with pytest.raises(EnrolmentError, match="isn't proven"):
        request.check_renewal(make_key().public_key())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_renewal_is_good_for_its_own_request_only(change: dict[str, Any]) -> None:
    proof = fields().prove_by_old_key(Signer(OLD_KEY)).proof
    changed = EnrolmentRequest(**{**fields(**change).model_dump(), "proof": proof})
    with pytest.raises(EnrolmentError, match="another request"):
        changed.check_renewal(OLD_KEY.public_key())


def test_one_kind_of_proof_does_not_pass_for_the_other() -> None:
    with pytest.raises(EnrolmentError):
        fields().prove(KEY).check_renewal(OLD_KEY.public_key())
    with pytest.raises(EnrolmentError):
        fields().prove_by_old_key(Signer(OLD_KEY)).check_proof(KEY)


def test_a_proof_in_other_than_ascii_is_refused_like_any_other() -> None:
    request = EnrolmentRequest(**fields().model_dump(), proof="漢字")
    with pytest.raises(EnrolmentError):
        request.check_proof(KEY)
    with pytest.raises(EnrolmentError):
        request.check_renewal(OLD_KEY.public_key())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "131042"),
        ("terminal", "../T"),
        ("machine_serial", "a\nb"),
        ("machine_serial", ""),
        ("csr", "x" * 20_000),
        ("receiving_key", "AAAA"),
        ("proof", ""),
        ("surplus", 1),
    ],
)
def test_a_request_out_of_form_is_refused_and_the_field_named(name: str, value: object) -> None:
    values = {**json.loads(fields().prove(KEY).to_json()), name: value}
    with pytest.raises(EnrolmentError, match=name):
        EnrolmentRequest.from_json(json.dumps(values).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b" " * 40_000, b"[" * 30_000])
def test_what_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(EnrolmentError):
        EnrolmentRequest.from_json(text)
