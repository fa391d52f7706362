"""Certificates for relays on this machine: good, expired, for another name, signed by nobody."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Signs for this machine. `file` is what a client believes."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def relay(self, *, address: str = "127.0.0.1", ends_in: dt.timedelta = DAY) -> ssl.SSLContext:
        """A relay's side, with a certificate of ours."""
        return self._context("relay", address, ends_in, self.key, self.certificate.subject)

    def nobody(self) -> ssl.SSLContext:
        """A relay's side, with a certificate that it signed itself."""
        return self._context("nobody", "127.0.0.1", DAY, None, None)

    def trust(self) -> ssl.SSLContext:
        """A client's side."""
        return ssl.create_default_context(cafile=self.file)

    def _context(
        self,
        name: str,
        address: str,
        ends_in: dt.timedelta,
        signer: ec.EllipticCurvePrivateKey | None,
        issuer: x509.Name | None,
    ) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        made = _builder(subject, issuer or subject, key.public_key(), ends_in)
        host = x509.IPAddress(ipaddress.ip_address(address))
        made = made.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        certificate = made.sign(signer or key, hashes.SHA256())
        file = self.folder / f"{name}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"an authority for tests {folder.name}")
    made = _builder(name, name, key.public_key(), DAY)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = made.sign(key, hashes.SHA256())
    found = Authority(folder, key, certificate)
    found.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return found


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    ends_in: dt.timedelta,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)  # the TLS library looks at the machine's clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + ends_in)
    )
