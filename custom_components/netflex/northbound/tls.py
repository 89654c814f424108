"""TLS towards a broker: the files, what is wrong with them, and when they end."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
import ssl

from cryptography import x509

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .settings import TlsFiles


class TlsFilesError(Exception):
    """Files that cannot be used; `key` is a stable word for it."""

    def __init__(self, key: str, text: str) -> None:
        """Give the reason."""
        super().__init__(text)
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What our certificate says of itself: its common name, and its end (UTC)."""

    name: str
    ends: datetime


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Return how to connect; TlsFilesError where the files are not usable. Blocking."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if files.authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=files.authorities)
    except OSError as err:
        raise TlsFilesError("authorities_unusable", reason_of(err)) from err
    if files.certificate is None:
        return context
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ValueError) as err:
        differs = getattr(err, "reason", None) == "KEY_VALUES_MISMATCH"
        key = "key_differs" if differs else "certificate_unusable"
        raise TlsFilesError(key, reason_of(err)) from err
    return context


def read_certificate(path: Path) -> Certificate:
    """Return what a PEM certificate says; TlsFilesError where it is none. Blocking."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as err:
        raise TlsFilesError("certificate_unusable", reason_of(err)) from err
    names = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Certificate(
        name=str(names[0].value) if names else "", ends=found.not_valid_after_utc
    )


def check_files(
    files: TlsFiles, now: datetime, name: str | None = None
) -> Certificate | None:
    """Return our certificate, None without one.

    `name` is the common name that it must have, None: any. Blocking.

    Raises:
        TlsFilesError: Something is missing, does not fit, has ended or is another's.
    """
    client_context(files)
    if files.certificate is None:
        return None
    certificate = read_certificate(files.certificate)
    if certificate.ends <= now:
        raise TlsFilesError(
            "certificate_ended",
            Phrase(
                "ended_on", "it ended on {date}", date=f"{certificate.ends:%Y-%m-%d}"
            ),
        )
    if name is not None and certificate.name != name:
        raise TlsFilesError(
            "name_differs",
            Phrase(
                "certificate_of",
                "the certificate is that of {name}",
                name=certificate.name or Phrase("nobody", "nobody"),
            ),
        )
    return certificate
