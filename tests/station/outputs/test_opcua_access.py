"""Who comes in at the OPC UA server: a real client with and without certificate, user, encryption."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_app_certificate_signing_request,
    generate_private_key,
    generate_self_signed_app_certificate,
    sign_certificate_request,
)
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from inspector.errors import ConfigError, PeerFault
from station.outputs import outputs_settings
from station.outputs.base import About, LineState
from station.outputs.opcua import OpcUaSettings, OpcUaTeller
from station.outputs.opcua_space import OURS

SIGN, ENCRYPT = ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt
CLIENT_URI = "urn:a-client"


def client_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = generate_private_key()
    certificate = generate_self_signed_app_certificate(
        key,
        name,
        {},
        [x509.UniformResourceIdentifier(CLIENT_URI), x509.DNSName(socket.gethostname())],
        [ExtendedKeyUsageOID.CLIENT_AUTH],
    )
    paths = folder / f"{name}.der", folder / f"{name}.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.DER))
    paths[1].write_bytes(dump_private_key_as_pem(key))
    return paths


class Site:
    """Files of a station and of its clients; the server is started once for all of them."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"opc.tcp://127.0.0.1:{port}/open-inspector/"
        self.known, self.stranger = client_certificate(folder, "scada-7"), client_certificate(folder, "stranger")
        (folder / "trusted").mkdir()
        (folder / "trusted" / "scada-7.der").write_bytes(self.known[0].read_bytes())
        (folder / "password").write_text("right\n")

    def connect(
        self,
        certificate: tuple[Path, Path] | None = None,
        mode: ua.MessageSecurityMode = ENCRYPT,
        user: tuple[str, str] | None = None,
    ) -> Any:
        """Read the station's name as this client; raises what the server answers."""

        async def read() -> Any:
            client = Client(self.url, timeout=30, watchdog_intervall=60)
            client.application_uri = CLIENT_URI
            if certificate is not None:
                await client.set_security(SecurityPolicyBasic256Sha256, *certificate, mode=mode)
            if user is not None:
                client.set_user(user[0])
                client.set_password(user[1])
            async with client:
                return await client.nodes.objects.get_child([f"{await client.get_namespace_index(OURS)}:press-4"])

        return asyncio.run(read())

    def force(self, certificate: tuple[Path, Path] | None, shown: Path | None) -> None:
        """Make a session as no honest client does: without security, or showing the certificate of another."""

        async def knock() -> None:
            client = Client(self.url, timeout=30)
            if certificate is not None:
                await client.set_security(SecurityPolicyBasic256Sha256, *certificate, mode=ENCRYPT)
            await client.connect_socket()
            try:
                await client.send_hello()
                await client.open_secure_channel()
                await self._activate(client, shown)
            finally:
                client.disconnect_socket()

        asyncio.run(knock())

    async def _activate(self, client: Client, shown: Path | None) -> None:
        session = ua.CreateSessionParameters()
        session.ClientDescription.ApplicationUri = CLIENT_URI
        session.ClientNonce, session.EndpointUrl, session.RequestedSessionTimeout = b"n" * 32, self.url, 60_000
        session.ClientCertificate = shown.read_bytes() if shown else None
        made = await client.uaclient.create_session(session)
        activate, policy = ua.ActivateSessionParameters(), client.security_policy
        activate.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
        challenge = (policy.peer_certificate or b"") + made.ServerNonce
        activate.ClientSignature.Signature = policy.asymmetric_cryptography.signature(challenge)
        await client.uaclient.activate_session(activate)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("opcua"), 0)


def serving(site: Site, **settings: Any) -> OpcUaTeller:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site.port, site.url = port, f"opc.tcp://127.0.0.1:{port}/open-inspector/"
    fields = {"kind": "opcua", "port": port, "timeout_s": 60, **settings}
    return OpcUaTeller(OpcUaSettings(**fields), About("press-4", "flange", "b" * 64, folder=site.folder))


@pytest.fixture(scope="module")
def trusting(site: Site) -> Iterator[Site]:
    """A station that wants a trusted certificate."""
    with serving(site, trusted=site.folder / "trusted") as teller:
        teller.attend(LineState("running"))
        yield site


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
def test_client_with_a_trusted_certificate_comes_in(trusting: Site, mode: ua.MessageSecurityMode) -> None:
    assert trusting.connect(trusting.known, mode)


def test_client_without_a_certificate_is_refused(trusting: Site) -> None:
    with pytest.raises(ua.UaError, match="No matching endpoints"):
        trusting.connect()
    with pytest.raises(ua.UaError, match="BadSecurityModeInsufficient"):
        trusting.force(None, None)
    with pytest.raises(ua.UaError, match="BadSecurityModeInsufficient"):
        trusting.force(None, trusting.known[0])


def test_client_that_shows_the_certificate_of_another_is_refused(trusting: Site) -> None:
    trusting.force(trusting.known, trusting.known[0])
    for shown in (trusting.known[0], None):
        with pytest.raises(ua.UaError, match="BadCertificateInvalid"):
            trusting.force(trusting.stranger, shown)


def test_client_with_a_certificate_that_nobody_trusts_is_refused(trusting: Site) -> None:
    with pytest.raises(ua.UaError, match="BadCertificateUntrusted"):
        trusting.connect(trusting.stranger)
    trusted = trusting.folder / "trusted" / "stranger.der"
    trusted.write_bytes(trusting.stranger[0].read_bytes())
    try:
        assert trusting.connect(trusting.stranger), "the folder is read anew"
    finally:
        trusted.unlink()
    with pytest.raises(ua.UaError, match="BadCertificateUntrusted"):
        trusting.connect(trusting.stranger)


def test_client_whose_certificate_is_signed_by_a_trusted_one_comes_in(trusting: Site) -> None:
    authority, key = generate_private_key(), generate_private_key()
    issuer = generate_self_signed_app_certificate(authority, "plant", {}, [x509.DNSName("plant")], [])
    names = [x509.UniformResourceIdentifier(CLIENT_URI), x509.DNSName("scada-8")]
    request = generate_app_certificate_signing_request(key, "scada-8", {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH])
    signed = trusting.folder / "signed.der", trusting.folder / "signed.pem"
    signed[0].write_bytes(sign_certificate_request(request, issuer, authority).public_bytes(Encoding.DER))
    signed[1].write_bytes(dump_private_key_as_pem(key))
    with pytest.raises(ua.UaError, match="BadCertificateUntrusted"):
        trusting.connect(signed)
    trusted = trusting.folder / "trusted" / "plant.pem"
    trusted.write_bytes(issuer.public_bytes(Encoding.PEM))
    assert trusting.connect(signed)
    trusted.unlink()


def test_station_made_its_certificate_once_and_its_key_is_its_own(trusting: Site) -> None:
    key, made = trusting.folder / "opcua" / "opcua.key.pem", trusting.folder / "opcua" / "opcua.der"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = made.read_bytes()
    names = x509.load_der_x509_certificate(before).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:open-inspector:press-4"]


def test_client_with_user_and_password_comes_in_and_no_other(site: Site) -> None:
    before = (site.folder / "opcua" / "opcua.der").read_bytes()
    with serving(site, username="mes", password_file=site.folder / "password") as teller:
        teller.attend(LineState("running"))
        assert site.connect(site.stranger, ENCRYPT, ("mes", "right"))
        assert site.connect(site.stranger, SIGN, ("mes", "right"))
        for user in (("mes", "wrong"), ("ann", "right"), ("mes", "")):
            with pytest.raises(ua.UaError, match="BadUserAccessDenied"):
                site.connect(site.stranger, ENCRYPT, user)
        with pytest.raises(ua.UaError):
            site.connect(site.stranger, ENCRYPT)
        with pytest.raises(ua.UaError):
            site.connect(user=("mes", "right"))
    assert (site.folder / "opcua" / "opcua.der").read_bytes() == before, "clients trust it: it stays"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"host": "0.0.0.0"}, "nobody could connect; expected trusted, or username and password_file, or anonymous"),
        ({"anonymous": False}, "nobody could connect"),
        ({"username": "mes"}, "username and password_file go together"),
        ({"certificate": "a.der"}, "certificate and private_key go together"),
    ],
)
def test_configuration_that_lets_nobody_in_or_says_half_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        outputs_settings({"kind": "opcua", **fields}, "test.toml")


@pytest.mark.parametrize(
    ("fields", "anybody"),
    [
        ({}, True),
        ({"host": "0.0.0.0", "anonymous": True}, True),
        ({"trusted": "t"}, False),
        ({"host": "192.0.2.1", "username": "a", "password_file": "p"}, False),
        ({"trusted": "t", "anonymous": True}, True),
    ],
)
def test_anybody_comes_in_only_at_loopback_or_where_the_configuration_says_so(
    fields: dict[str, Any], anybody: bool
) -> None:
    assert OpcUaSettings(kind="opcua", **fields).lets_anybody_in is anybody


def test_certificate_that_is_none_is_a_fault_and_a_strange_file_among_those_of_clients_is_none(site: Site) -> None:
    strange = site.folder / "trusted" / "readme.txt"
    strange.write_text("put certificates here")
    given = {"certificate": strange, "private_key": strange}
    with (
        serving(site, trusted=site.folder / "trusted", **given) as teller,
        pytest.raises(PeerFault, match="not a certificate and its key"),
    ):
        teller.attend(LineState("running"))


def test_files_that_are_not_there_are_named_before_the_station_runs(site: Site, tmp_path: Path) -> None:
    about = About("press-4", "flange", "")
    (tmp_path / "empty").write_text("\n")
    for fields, why in (
        ({"trusted": tmp_path / "none"}, "trusted: no such folder"),
        ({"username": "a", "password_file": tmp_path / "none"}, "none"),
        ({"username": "a", "password_file": tmp_path / "empty"}, "password_file is empty"),
        ({"trusted": tmp_path, "certificate": tmp_path / "c.der", "private_key": tmp_path / "k.pem"}, r"c\.der"),
    ):
        with pytest.raises(ConfigError, match=why):
            OpcUaTeller(OpcUaSettings(kind="opcua", **fields), about)
