"""TLS files: what is wrong with them, and when they end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custom_components.netflex.northbound.settings import TlsFiles
from custom_components.netflex.northbound.tls import TlsFilesError, check_files
from tests.certificates import CertificateAuthority

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path, "authority")


@pytest.fixture
def files(authority: CertificateAuthority) -> TlsFiles:
    _, certificate, key = authority.issue("goflex-dc-004", timedelta(days=90))
    return TlsFiles(authorities=authority.path, certificate=certificate, key=key)


def key_of(files: TlsFiles, name: str | None = None, now: datetime = NOW) -> str:
    with pytest.raises(TlsFilesError, match=r"."):
        check_files(files, now, name)
    try:
        check_files(files, now, name)
    except TlsFilesError as err:
        return err.key
    return ""


def test_a_certificate_says_whose_it_is_and_when_it_ends(files: TlsFiles) -> None:
    found = check_files(files, NOW, "goflex-dc-004")
    assert found is not None
    assert found.name == "goflex-dc-004"
    assert timedelta(days=89) < found.ends - NOW < timedelta(days=91)


def test_a_broker_that_knows_no_certificates_needs_its_authority_only(
    files: TlsFiles,
) -> None:
    assert check_files(TlsFiles(authorities=files.authorities), NOW) is None


def test_what_is_wrong_is_named(
    files: TlsFiles, authority: CertificateAuthority, tmp_path: Path
) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    missing = tmp_path / "missing.pem"
    _, _, other = authority.issue("other")
    for wrong in (rubbish, missing):
        assert key_of(replace(files, authorities=wrong)) == "authorities_unusable"
        assert key_of(replace(files, certificate=wrong)) == "certificate_unusable"
        assert key_of(replace(files, key=wrong)) == "certificate_unusable"
    assert key_of(replace(files, key=other)) == "key_differs"
    assert key_of(files, "goflex-dc-005") == "name_differs"
    assert key_of(files, now=NOW + timedelta(days=91)) == "certificate_ended"
