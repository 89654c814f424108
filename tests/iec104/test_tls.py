"""L26: TLS with mutual authentication, after IEC 62351-3."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
import shutil
import ssl

import pytest

from custom_components.netflex.iec104 import (
    CloseCode,
    ControlledStation,
    ControllingConfig,
    ControllingStation,
    LinkClosedError,
    MinimumVersion,
    StationConfig,
    TlsSettings,
)
from tests.certificates import VALID, CertificateAuthority

from .bench import SETPOINT, Plant, RawClient, Watcher


class Authority(CertificateAuthority):
    """One that knows the settings of a station."""

    def settings(
        self, name: str, valid: timedelta = VALID, **fields: object
    ) -> TlsSettings:
        """Issue a certificate and return the settings of its holder."""
        _, path, key = self.issue(name, valid)
        fields.setdefault("authorities", self.path)
        return TlsSettings(certificate=path, key=key, **fields)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "grid")


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "foreign")


@asynccontextmanager
async def secured(
    tls: TlsSettings,
) -> AsyncGenerator[tuple[ControlledStation, Watcher]]:
    watcher = Watcher()
    station = ControlledStation(
        StationConfig(host="127.0.0.1", port=0, tls=tls), Plant(), observer=watcher
    )
    await station.start()
    try:
        yield station, watcher
    finally:
        await station.stop()


async def works(station: ControlledStation, tls: TlsSettings) -> bool:
    """Connect, start and command; False when the connection is refused."""
    client = ControllingStation(ControllingConfig(tls=tls))
    try:
        await client.connect(*station.address)
        # In TLS 1.3 the server's refusal arrives after the client's handshake.
        await client.start_dt()
        return (await client.command(SETPOINT, 50, 20.0)).accepted
    except OSError:
        return False
    finally:
        await client.close()


async def refusals(watcher: Watcher) -> list[CloseCode]:
    """Return why clients were refused, once the station has noticed."""
    for _ in range(100):
        if watcher.refused:
            break
        await asyncio.sleep(0.005)
    return [reason.code for _, reason in watcher.refused]


@pytest.mark.parametrize("version", MinimumVersion)
async def test_L26_mutual_authentication(authority: Authority, version: MinimumVersion):
    server = authority.settings("ems", minimum_version=version)
    async with secured(server) as (station, watcher):
        assert await works(station, authority.settings("rtu"))
        assert not watcher.refused


async def test_L26_tls_1_2_is_spoken_with_forward_secrecy(authority: Authority):
    async with secured(authority.settings("ems")) as (station, _):
        context = authority.settings("rtu").client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection(*station.address, ssl=context)
        client = RawClient(reader, writer)
        await client.start()
        name, version, _ = writer.get_extra_info("cipher")
        assert version == "TLSv1.2"
        assert name.startswith("ECDHE") and "GCM" in name
        await client.disconnect()


async def test_L26_older_tls_is_refused(authority: Authority):
    server = authority.settings("ems", minimum_version=MinimumVersion.TLS_1_3)
    async with secured(server) as (station, watcher):
        context = authority.settings("rtu").client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            await asyncio.open_connection(*station.address, ssl=context)
        assert await refusals(watcher) == [CloseCode.TLS]


async def test_L26_client_of_another_authority_is_refused(
    authority: Authority, foreign: Authority
):
    async with secured(authority.settings("ems")) as (station, watcher):
        intruder = foreign.settings("rtu", authorities=authority.path)
        assert not await works(station, intruder)
        assert await refusals(watcher) == [CloseCode.TLS]
        assert not watcher.opened


async def test_L26_client_without_a_certificate_is_refused(authority: Authority):
    async with secured(authority.settings("ems")) as (station, watcher):
        context = ssl.create_default_context(cafile=str(authority.path))
        context.check_hostname = False
        try:
            reader, writer = await asyncio.open_connection(
                *station.address, ssl=context
            )
            assert await reader.read() == b""
            writer.close()
        except OSError:
            pass
        assert await refusals(watcher) == [CloseCode.TLS]


async def test_L26_client_without_tls_is_refused(authority: Authority):
    async with secured(authority.settings("ems")) as (station, watcher):
        client = await RawClient.connect(station.address)
        client.write(bytes.fromhex("680407000000"))
        assert await client.reader.read() != bytes.fromhex("68040b000000")
        await client.disconnect()
        assert await refusals(watcher) == [CloseCode.TLS]
        assert not watcher.opened


async def test_L26_expired_client_is_refused(authority: Authority):
    async with secured(authority.settings("ems")) as (station, watcher):
        expired = authority.settings("rtu", valid=-timedelta(hours=1))
        assert not await works(station, expired)
        assert await refusals(watcher) == [CloseCode.TLS]


async def test_L26_client_with_another_name_is_refused(authority: Authority):
    server = authority.settings("ems", peer_names=frozenset({"rtu.example"}))
    async with secured(server) as (station, watcher):
        assert not await works(station, authority.settings("somebody"))
        assert await refusals(watcher) == [CloseCode.TLS]
        assert not watcher.opened
        assert await works(station, authority.settings("rtu"))


async def test_L26_revoked_client_is_refused(authority: Authority):
    certificate, path, key = authority.issue("stolen")
    revocations = authority.revoke(certificate)
    server = authority.settings("ems", revocations=revocations)
    async with secured(server) as (station, watcher):
        stolen = TlsSettings(certificate=path, key=key, authorities=authority.path)
        assert not await works(station, stolen)
        assert await refusals(watcher) == [CloseCode.TLS]
        assert await works(station, authority.settings("rtu"))


@pytest.mark.parametrize(
    "make_server",
    [
        lambda authority, foreign: foreign.settings("ems", authorities=authority.path),
        lambda authority, foreign: authority.settings("ems", -timedelta(hours=1)),
        lambda authority, foreign: authority.settings("somebody"),
    ],
    ids=["foreign", "expired", "name"],
)
async def test_L26_controlling_station_checks_the_station(
    authority: Authority,
    foreign: Authority,
    make_server: Callable[[Authority, Authority], TlsSettings],
):
    names = frozenset({"ems"})
    async with secured(make_server(authority, foreign)) as (station, _):
        assert not await works(station, authority.settings("rtu", peer_names=names))
    async with secured(authority.settings("ems")) as (station, _):
        assert await works(station, authority.settings("rtu", peer_names=names))


async def test_L26_certificates_are_reloaded_without_dropping_the_station(
    authority: Authority, foreign: Authority
):
    server = authority.settings("ems")
    async with secured(server) as (station, watcher):
        client = ControllingStation(ControllingConfig(tls=authority.settings("rtu")))
        await client.connect(*station.address)
        await client.start_dt()
        renewed = foreign.settings("ems")
        shutil.copy(renewed.certificate, server.certificate)
        shutil.copy(renewed.key, server.key)
        shutil.copy(foreign.path, server.authorities)
        await station.reload_certificates()
        assert (await client.command(SETPOINT, 50, 20.0)).accepted
        assert await works(station, foreign.settings("rtu"))
        with pytest.raises(LinkClosedError):
            # The new client's start replaced it; its session itself never broke.
            await client.test()
        assert watcher.closed[0].code is CloseCode.REPLACED
        server.certificate.write_text("broken")
        with pytest.raises(OSError):
            await station.reload_certificates()
        assert await works(station, foreign.settings("rtu"))
        await client.close()


async def test_L26_unusable_files_are_an_oserror_at_start(
    authority: Authority, tmp_path: Path
):
    missing = TlsSettings(
        certificate=tmp_path / "no.pem",
        key=tmp_path / "no.key",
        authorities=authority.path,
    )
    station = ControlledStation(StationConfig(port=0, tls=missing), Plant())
    with pytest.raises(OSError):
        await station.start()
    assert station.address is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_L26_renegotiation_is_refused(authority: Authority):
    rtu = authority.settings("rtu")
    async with secured(authority.settings("ems")) as (station, watcher):
        host, port = station.address
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"),
            *("-cert", str(rtu.certificate), "-key", str(rtu.key)),
            *("-CAfile", str(rtu.authorities)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        for _ in range(400):
            if watcher.opened:
                break
            await asyncio.sleep(0.005)
        assert watcher.opened
        # A line with a single R asks s_client to renegotiate.
        process.stdin.write(b"R\n")
        await process.stdin.drain()
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
        assert b"RENEGOTIATING" in output
        assert b"no renegotiation" in output
        assert station.status.counters.apdus_received == 0
