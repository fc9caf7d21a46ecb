"""TLS towards Postgres: a server in the network proves who it is, unless someone has said that it need not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headwater.destinations.postgres import Postgres
from headwater.errors import DestinationError
from tests.contract.postgres_driver import LOADER
from tests.contract.postgres_driver import server as server  # the fixture
from tests.postgres_server import PostgresServer, postgres_server

NAME = "db.test"


@dataclass(frozen=True)
class Issuer:
    """A certificate authority."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @classmethod
    def new(cls, called: str = "an authority") -> Issuer:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, called)])
        return cls(ec.generate_private_key(ec.SECP256R1()), name)

    def root(self) -> bytes:
        return self._signed(self.name, self.key, timedelta(days=1), x509.BasicConstraints(ca=True, path_length=None))

    def certificate(self, *, lasts: timedelta = timedelta(days=1)) -> tuple[bytes, bytes]:
        """Give a server's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
        certificate = self._signed(subject, key, lasts, x509.SubjectAlternativeName([x509.DNSName(NAME)]))
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return certificate, key.private_bytes(encoding, form, serialization.NoEncryption())

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta, extension: x509.ExtensionType
    ) -> bytes:
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + lasts)
            .add_extension(extension, critical=True)
        )
        return built.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer.new()


@pytest.fixture(scope="module")
def tls(issuer: Issuer) -> Iterator[PostgresServer]:
    with postgres_server() as running:
        running.execute(f"CREATE ROLE {LOADER} LOGIN")
        running.execute(f"GRANT CREATE ON DATABASE postgres TO {LOADER}")
        running.require_tls(*issuer.certificate())
        yield running


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


def opened(server: PostgresServer, host: str, query: str = "") -> bool:
    """Open and close a destination on the server, under this name; say whether the session was encrypted."""
    url = f"postgresql://{LOADER}@{host}:{server.port}/postgres?hostaddr=127.0.0.1&{query}"
    destination = Postgres(url, connection="tester")
    destination.open()
    [(encrypted,)] = destination._open_session().fetch("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    destination.close()
    return bool(encrypted)


@pytest.mark.parametrize(
    ("host",      "roots",    "query",             "refusal"),
    [
        (NAME,        "issuer",   "",                  None),
        (NAME,        "home",     "",                  None),
        ("other.test", "issuer",  "",                  "does not match host name"),
        (NAME,        "another",  "",                  "certificate verify failed"),
        (NAME,        None,       "",                  "certificate verify failed"),
        (NAME,        None,       "sslmode=require",   None),
        (NAME,        None,       "sslmode=disable",   "no encryption"),
        ("127.0.0.1", None,       "",                  None),
    ],
)  # fmt: skip
def test_a_server_in_the_network_has_to_prove_its_name(
    tls: PostgresServer,
    issuer: Issuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    roots: str | None,
    query: str,
    refusal: str | None,
) -> None:
    root = tmp_path / (".postgresql/root.crt" if roots == "home" else "roots.pem")
    root.parent.mkdir(exist_ok=True)
    if roots is not None:
        root.write_bytes((Issuer.new("another authority") if roots == "another" else issuer).root())
    if roots in ("issuer", "another"):
        monkeypatch.setenv("PGSSLROOTCERT", str(root))
    if refusal is None:
        assert opened(tls, host, query)
        return
    with pytest.raises(DestinationError) as refused:
        opened(tls, host, query)

    assert refusal in refused.value.message
    assert refused.value.hint is not None and "PGSSLROOTCERT" in refused.value.hint


def test_a_server_without_tls_is_refused_until_someone_says_that_it_may(server: PostgresServer) -> None:
    with pytest.raises(DestinationError, match="does not support SSL") as refused:
        opened(server, NAME)

    assert refused.value.hint is not None and "PGSSLMODE=prefer" in refused.value.hint
    server.execute(f"GRANT CREATE ON DATABASE postgres TO {LOADER}")
    assert not opened(server, NAME, "sslmode=prefer")
    assert not opened(server, "127.0.0.1")
    server.execute(f"REVOKE CREATE ON DATABASE postgres FROM {LOADER}; DROP SCHEMA _headwater CASCADE")


def test_a_certificate_that_has_expired_is_refused(
    tls: PostgresServer, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "roots.pem").write_bytes(issuer.root())
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "roots.pem"))
    tls.require_tls(*issuer.certificate(lasts=timedelta(days=-1)))
    try:
        with pytest.raises(DestinationError, match="certificate verify failed"):
            opened(tls, NAME)
    finally:
        tls.require_tls(*issuer.certificate())
