"""TLS as IEC 62351-3 profiles it for IEC 60870-5-104.

Both ends show a certificate, TLS 1.2 with forward-secret AES-GCM suites or TLS
1.3, no renegotiation, no compression, no session tickets that would outlive a
change of certificates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
import ssl
from typing import Final

TLS_PORT: Final = 19998
_TLS_1_2_CIPHERS: Final = "ECDHE+AESGCM:DHE+AESGCM:!aNULL:!PSK:!SHA1"


class MinimumVersion(StrEnum):
    """Oldest protocol version that is spoken."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """PEM files and rules of one end.

    `authorities` verifies the peer; `revocations` is an optional list of revoked
    certificates (it has to be current: without a valid list nobody gets in).
    `peer_names` are the names (subject alternative name or common name) that a
    peer's certificate may carry; empty accepts every certificate of the authority.
    """

    certificate: Path
    key: Path
    authorities: Path
    revocations: Path | None = None
    peer_names: frozenset[str] = frozenset()
    minimum_version: MinimumVersion = MinimumVersion.TLS_1_2

    def server_context(self) -> ssl.SSLContext:
        """Read the files for a controlled station; OSError or ssl.SSLError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        return self._prepared(context)

    def client_context(self) -> ssl.SSLContext:
        """Read the files for a controlling station; OSError or ssl.SSLError.

        Names are checked by `accepts`, because an RTU is reached by its address.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        return self._prepared(context)

    def _prepared(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = (
            ssl.TLSVersion.TLSv1_3
            if self.minimum_version is MinimumVersion.TLS_1_3
            else ssl.TLSVersion.TLSv1_2
        )
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_ciphers(_TLS_1_2_CIPHERS)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.authorities)
        if self.revocations is not None:
            context.load_verify_locations(self.revocations)
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        return context

    def accepts(self, peer: ssl.SSLObject | None) -> bool:
        """Tell whether an authenticated peer's certificate carries a wanted name."""
        if not self.peer_names:
            return True
        certificate = None if peer is None else peer.getpeercert()
        return bool(certificate) and not self.peer_names.isdisjoint(
            _names(certificate or {})
        )


def _names(certificate: Mapping[str, object]) -> set[str]:
    """Return all names of a certificate as ssl decodes it."""
    names: set[str] = set()
    alternatives = certificate.get("subjectAltName", ())
    if isinstance(alternatives, tuple):
        names.update(str(value) for _, value in alternatives)
    subject = certificate.get("subject", ())
    if isinstance(subject, tuple):
        names.update(
            str(value)
            for relative in subject
            for key, value in relative
            if key == "commonName"
        )
    return names
