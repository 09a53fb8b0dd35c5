"""The offline root and the issuing CA under it."""

import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import certificate_to_pem, make_authority_request, make_key, make_root
from renkei.ministry.issuing import IssuingCA, IssuingError
from renkei.ministry.root import OfflineRoot, RootError, write_certificate


def test_a_root_is_made_once_and_then_left_alone(tmp_path: Path, now: datetime) -> None:
    root = OfflineRoot(tmp_path / "root")
    assert root.init("root", now) is True
    before = (tmp_path / "root/root.key").read_bytes()
    assert root.init("root", now) is False
    assert (tmp_path / "root/root.key").read_bytes() == before


def test_the_roots_key_is_readable_by_its_owner_only(tmp_path: Path, now: datetime) -> None:
    OfflineRoot(tmp_path / "root").init("root", now)
    assert stat.S_IMODE((tmp_path / "root/root.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "root").stat().st_mode) == 0o700


def test_the_root_lasts_twenty_years_and_an_issuing_ca_five(tmp_path: Path, now: datetime) -> None:
    root = OfflineRoot(tmp_path / "root")
    root.init("root", now)
    signed = root.sign_issuing(make_authority_request(make_key(), "issuing"), now)
    assert root.certificate().not_valid_after_utc == now.replace(year=2046)
    assert signed.certificate.not_valid_after_utc == now.replace(year=2031)


def test_a_root_of_another_name_is_not_overwritten(tmp_path: Path, now: datetime) -> None:
    root = OfflineRoot(tmp_path / "root")
    root.init("root", now)
    with pytest.raises(RootError, match="choose another folder"):
        root.init("other", now)


def test_a_folder_with_other_files_is_not_taken_for_a_root(tmp_path: Path, now: datetime) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "letter.txt").write_text("x")
    with pytest.raises(RootError, match="not empty"):
        OfflineRoot(folder).init("root", now)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_the_same_key_gets_the_same_issuing_certificate_until_it_is_due(tmp_path: Path, now: datetime) -> None:
    root = OfflineRoot(tmp_path / "root")
    root.init("root", now)
    key = make_key()
    first = root.sign_issuing(make_authority_request(key, "issuing"), now)
    again = root.sign_issuing(make_authority_request(key, "issuing"), now + timedelta(days=1000))
    due = root.sign_issuing(make_authority_request(key, "issuing"), now + timedelta(days=1300))
    assert (first.new, again.new, due.new) == (True, False, True)
    assert first.certificate == again.certificate
    assert len(root.issued()) == 2


def test_a_root_with_a_passphrase_needs_it(tmp_path: Path, now: datetime) -> None:
    root = OfflineRoot(tmp_path / "root")
    root.init("root", now, b"correct horse")
    request = make_authority_request(make_key(), "issuing")
    assert b"ENCRYPTED" in (tmp_path / "root/root.key").read_bytes()
    with pytest.raises(RootError, match="passphrase-file"):
        root.sign_issuing(request, now)
    with pytest.raises(RootError, match="passphrase is wrong"):
        root.sign_issuing(request, now, b"battery staple")
    assert root.sign_issuing(request, now, b"correct horse").new


def test_a_request_signed_by_another_key_is_refused(tmp_path: Path, now: datetime) -> None:
    root = OfflineRoot(tmp_path / "root")
    root.init("root", now)
    pem = make_authority_request(make_key(), "issuing")
    body = pem.splitlines()
    body[-2] = body[-2][:-6] + ("AAAAAA" if not body[-2].endswith("AAAAAA") else "BBBBBB")
    with pytest.raises(RootError, match="request"):
        root.sign_issuing("\n".join(body), now)


def test_writing_the_same_certificate_again_changes_nothing(tmp_path: Path, now: datetime) -> None:
    certificate = make_root("x", make_key(), now, 10).certificate
    assert write_certificate(tmp_path / "c.pem", certificate) is True
    assert write_certificate(tmp_path / "c.pem", certificate) is False


def test_an_issuing_key_is_made_once(ministry: Any) -> None:
    before = ministry.issuing.request.read_bytes()
    assert ministry.issuing.init("test issuing") is False
    assert ministry.issuing.request.read_bytes() == before


def test_an_issuing_certificate_of_another_root_is_refused(ministry: Any, tmp_path: Path, now: datetime) -> None:
    foreign = OfflineRoot(tmp_path / "foreign")
    foreign.init("test root", now)  # the very same name
    signed = foreign.sign_issuing(ministry.issuing.request.read_text(), now)
    with pytest.raises(IssuingError, match="was not signed by the root"):
        ministry.issuing.install(certificate_to_pem(signed.certificate), now)


def test_an_issuing_certificate_for_another_key_is_refused(ministry: Any, now: datetime) -> None:
    signed = ministry.root.sign_issuing(make_authority_request(make_key(), "issuing"), now)
    with pytest.raises(IssuingError, match="another key"):
        ministry.issuing.install(certificate_to_pem(signed.certificate), now)


def test_an_expired_issuing_certificate_signs_nothing(ministry: Any, now: datetime) -> None:
    with pytest.raises(IssuingError, match="not valid at 2032"):
        ministry.issuing.open(now + timedelta(days=2000))


def test_an_issuing_ca_without_certificate_says_what_to_do(tmp_path: Path, now: datetime) -> None:
    issuing = IssuingCA(tmp_path / "issuing", tmp_path / "root.pem")
    issuing.init("issuing")
    with pytest.raises(IssuingError, match="install-issuing"):
        issuing.open(now)


def test_the_old_root_signs_its_successor_and_hosts_trust_both(tmp_path: Path, now: datetime) -> None:
    old, new = OfflineRoot(tmp_path / "old"), OfflineRoot(tmp_path / "new")
    old.init("renkei root", now, b"old secret")
    new.init("renkei root", now, b"new secret")
    with pytest.raises(RootError, match="passphrase"):
        new.succeed(old, now, 730, b"wrong")
    _, made = new.succeed(old, now, 730, b"old secret", dry_run=True)
    assert made
    assert new.anchors == tmp_path / "new" / "root.pem", "nothing was written"
    cross, made = new.succeed(old, now, 730, b"old secret")
    assert made
    assert new.succeed(old, now, 730) == (cross, False)
    anchors = Anchors.read(new.anchors.read_text())
    assert set(anchors.trusted(now)) == {old.certificate(), new.certificate()}
    assert old.anchors.read_bytes() == new.anchors.read_bytes()
