"""Who may talk to the OPC UA server: certificates, a user, and what each session is called in orders.

Loaded by the telling process only.
"""

from __future__ import annotations

import contextvars
import hmac
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from inspector.errors import PeerFault

if TYPE_CHECKING:
    from station.outputs.opcua import OpcUaSettings

NOBODY = "anonymous"
VALID_DAYS = 3650
_ENDINGS = (".der", ".pem")
CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default=NOBODY)
"""Whose method call is being answered."""

_SECURE = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt, ua.SecurityPolicyType.Basic256Sha256_Sign]


class Access(UserManager):
    """What a configuration asks of clients.

    With a folder of trusted certificates theirs must lie in it or be signed by one that does; with a user name they
    must know it and its password. Without either, and without `anonymous`, nobody comes in.
    """

    def __init__(self, settings: OpcUaSettings, station: str, folder: Path | None) -> None:
        self._settings, self._station, self._folder = settings, station, folder
        self._password = settings.read_password()
        self.uri = f"urn:open-inspector:{station}"

    def make_server(self) -> Server:
        """Return a server whose sessions know who they are."""
        return Server(iserver=_NamingServer(self._settings.lets_anybody_in, self))

    async def guard(self, server: Server) -> None:
        """Set up policies, identities and certificates. Called between `init` and `start`; raises PeerFault."""
        settings = self._settings
        await server.set_application_uri(self.uri)
        policies = [*(_SECURE if settings.is_secured else ())]
        if settings.lets_anybody_in:
            policies.append(ua.SecurityPolicyType.NoSecurity)
        server.set_security_policy(policies)
        needs_user = settings.username is not None and not settings.lets_anybody_in
        tokens: list[type] = [] if needs_user else [ua.AnonymousIdentityToken]
        server.set_identity_tokens([*tokens, ua.UserNameIdentityToken] if settings.username else tokens)
        if settings.is_secured:
            await self._load(server, *self._certificate())
            server.set_certificate_validator(self._validate)

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> User | None:
        """Return who a session is of; None for one who may not come in. The library calls it.

        Where anybody may come in, a certificate names nobody: without security it is not proved.
        """
        if username is not None:
            right = hmac.compare_digest((password or "").encode(), self._password)
            return User(UserRole.User, username) if right and username == self._settings.username else None
        is_proved = certificate is not None and not self._settings.lets_anybody_in
        return User(UserRole.User, _common_name(certificate) if certificate and is_proved else NOBODY)

    async def _validate(self, certificate: x509.Certificate, description: ua.ApplicationDescription) -> None:
        """Refuse a client's certificate that is not trusted; the folder is read anew for each session."""
        options = CertificateValidatorOptions.BASIC_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
        await CertificateValidator(options).validate(certificate, description)
        folder = self._settings.trusted
        if folder is None:
            return
        if not is_pinned(certificate, folder):
            store = TrustStore([folder], [])
            await store.load()
            if not store.is_trusted(certificate):
                raise ServiceError(StatusCodes.BadCertificateUntrusted)

    # ---- the station's own certificate

    async def _load(self, server: Server, certificate: Path, key: Path) -> None:
        try:
            await server.load_certificate(certificate)
            await server.load_private_key(key)
        except (ValueError, OSError) as error:
            raise PeerFault(f"OPC UA: {certificate}, {key}: not a certificate and its key ({error})") from error

    def _certificate(self) -> tuple[Path, Path]:
        """Return the files of the station's certificate and key, made where none are given and none there yet."""
        settings = self._settings
        if settings.certificate is not None and settings.private_key is not None:
            return settings.certificate, settings.private_key
        if self._folder is None:
            raise PeerFault("OPC UA: no folder for a certificate; expected certificate and private_key")
        certificate, key = (self._folder / "opcua" / f"{settings.called}{end}" for end in (".der", ".key.pem"))
        if not (certificate.exists() and key.exists()):
            try:
                self._make_certificate(certificate, key)
            except OSError as error:
                raise PeerFault(f"OPC UA: {certificate} cannot be written ({error.strerror})") from error
        return certificate, key

    def _make_certificate(self, certificate: Path, key: Path) -> None:
        private, host = generate_private_key(), socket.gethostname()
        made = generate_self_signed_app_certificate(
            private,
            self._station,
            {},
            [x509.UniformResourceIdentifier(self.uri), x509.DNSName(host), x509.DNSName("localhost")],
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
            VALID_DAYS,
        )
        certificate.parent.mkdir(exist_ok=True)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(dump_private_key_as_pem(private))
        certificate.write_bytes(made.public_bytes(Encoding.DER))


def is_pinned(certificate: x509.Certificate, folder: Path) -> bool:
    """Whether this very certificate lies in the folder."""
    der, pem = certificate.public_bytes(Encoding.DER), certificate.public_bytes(Encoding.PEM).strip()
    return any(content == der or content.strip() == pem for content in map(Path.read_bytes, _certificates_in(folder)))


def _certificates_in(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix in _ENDINGS]


def _common_name(certificate: bytes) -> str:
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "a certificate without a name"


class _NamingServer(InternalServer):
    """Makes sessions that say whose call is being answered, and that are never unsecured where they have to be."""

    def __init__(self, lets_anybody_in: bool, access: Access) -> None:
        super().__init__(user_manager=access)
        self.lets_anybody_in = lets_anybody_in

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> InternalSession:
        who = user or User(role=UserRole.Anonymous)
        return _NamedSession(self, self.aspace, self.subscription_service, name, user=who, external=external)


class _NamedSession(InternalSession):
    """What the library leaves open is closed here.

    It lets anybody open a channel without security, since endpoints are asked for by one, and a session upon it. And it
    validates the certificate that a client shows in its request, which need not be the one that its channel rests on.
    """

    _shown: bytes | None = None

    async def create_session(
        self, params: ua.CreateSessionParameters, sockname: tuple[str, int] | None = None
    ) -> ua.CreateSessionResult:
        self._shown = params.ClientCertificate or None
        return await super().create_session(params, sockname)

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        server = self.iserver
        if isinstance(server, _NamingServer) and not server.lets_anybody_in:
            if not peer_certificate:
                raise ServiceError(StatusCodes.BadSecurityModeInsufficient)
            if peer_certificate != self._shown:
                raise ServiceError(StatusCodes.BadCertificateInvalid)
        return super().activate_session(params, peer_certificate)

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        token = CALLER.set(self.user.name or NOBODY)
        try:
            return await super().call(params)
        finally:
            CALLER.reset(token)
