"""The webhook against a real HTTP server that takes, refuses, breaks, hangs and goes away."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inspector.errors import ConfigError, PeerFault, ReportRefused
from station.outputs import make_teller, outputs_settings
from station.outputs.base import LineState
from station.outputs.webhook import WebhookSettings, WebhookTeller


class Receiver:
    """An HTTP server that keeps what it is sent; `answers` are its next statuses (0: hang up), else 204."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 204
                if not status:
                    self.close_connection = True
                    return
                if status < 300:
                    receiver.bodies.append(body)
                    receiver.headers.append(dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/parts"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def make(about, receiver: Receiver) -> Iterator[Callable[..., WebhookTeller]]:
    made: list[WebhookTeller] = []

    def make(**settings: Any) -> WebhookTeller:
        fields = {"kind": "webhook", "url": receiver.url, "timeout_s": 0.3, **settings}
        made.append(WebhookTeller(WebhookSettings(**fields), about))
        return made[-1]

    yield make
    for teller in made:
        teller.__exit__()


def test_a_part_is_posted_as_the_document_that_is_written_down(make, receiver: Receiver, make_report) -> None:
    report = make_report(7, simulated=True)
    make().tell([report])
    (body,), (headers,) = receiver.bodies, receiver.headers
    assert json.loads(body) == {
        "schema": "open-inspector/part/1",
        "part_id": str(report.record.part_id),
        "run_id": str(report.record.run_id),
        "station": "press-4",
        "position": 7,
        "trigger": 7,
        "outcome": "REJECT",
        "reasons": ["dark", "scratched"],
        "label": "scratch",
        "defect_probability": 0.875,
        "recipe": "flange",
        "bundle_id": "b" * 64,
        "source": "7.png",
        "triggered_at": "2026-01-02T12:00:07.000000Z",
        "completed_at": "2026-01-02T12:00:07.009000Z",
        "latency_ms": 8.5,
        "image_sha256": None,
        "simulated": True,
    }
    assert headers["Idempotency-Key"] == str(report.record.part_id)
    assert "X-Inspector-Signature" not in headers


def test_the_signature_is_what_the_manual_says(make, receiver: Receiver, make_report, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("opensesame\n")
    make(secret_file=tmp_path / "key").tell([make_report()])
    stamp, _, digest = receiver.headers[0]["X-Inspector-Signature"].partition(",v1=")
    signed = f"{stamp.removeprefix('t=')}.".encode() + receiver.bodies[0]
    assert digest == hmac.new(b"opensesame", signed, hashlib.sha256).hexdigest()
    assert abs(int(stamp.removeprefix("t=")) - time.time()) < 60


def test_parts_go_over_one_connection_in_order(make, receiver: Receiver, make_report) -> None:
    ports: set[int] = set()
    finish = receiver.server.finish_request
    receiver.server.finish_request = lambda request, address: (ports.add(address[1]), finish(request, address))[1]
    make().tell([make_report(n) for n in range(1, 31)])
    assert [json.loads(body)["position"] for body in receiver.bodies] == list(range(1, 31))
    assert len(ports) == 1


@pytest.mark.parametrize("status", [500, 503, 429, 401, 404, 302])
def test_an_answer_that_may_change_is_a_fault_and_says_how_far_it_came(make, receiver, make_report, status) -> None:
    receiver.answers = [204, 204, status]
    with pytest.raises(PeerFault, match=f"answered {status}") as fault:
        make().tell([make_report(n) for n in range(1, 6)])
    assert fault.value.told == 2
    assert not isinstance(fault.value, ReportRefused)


def test_a_part_that_will_never_be_taken_is_refused(make, receiver: Receiver, make_report) -> None:
    receiver.answers = [204, 422]
    with pytest.raises(ReportRefused) as refusal:
        make().tell([make_report(n) for n in range(1, 6)])
    assert refusal.value.told == 1


def test_a_part_that_is_there_already_counts_as_told(make, receiver: Receiver, make_report) -> None:
    receiver.answers = [409]
    make().tell([make_report(1), make_report(2)])
    assert len(receiver.bodies) == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_opened_again(make, receiver: Receiver, make_report) -> None:
    teller = make()
    teller.tell([make_report(1)])
    receiver.answers = [0]
    teller.tell([make_report(2)])
    assert len(receiver.bodies) == 2


def test_a_peer_that_hangs_up_at_once_is_a_fault(make, receiver: Receiver, make_report) -> None:
    receiver.answers = [0, 0]
    with pytest.raises(PeerFault):
        make().tell([make_report(1)])


def test_a_peer_that_is_not_there_is_a_fault(make, make_report, free_port: int) -> None:
    with pytest.raises(PeerFault, match="refused"):
        make(url=f"http://127.0.0.1:{free_port}/").tell([make_report()])


def test_a_half_open_peer_is_a_fault_within_the_time(make, make_report, deaf_port: int) -> None:
    started_s = time.monotonic()
    with pytest.raises(PeerFault, match="no answer in time"):
        make(url=f"http://127.0.0.1:{deaf_port}/").tell([make_report()])
    assert time.monotonic() - started_s < 10


def test_a_peer_that_speaks_no_http_is_a_fault(make, make_report) -> None:
    def answer(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        with pytest.raises(PeerFault):
            make(url=f"http://127.0.0.1:{server.getsockname()[1]}/").tell([make_report()])
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and a certificate of 127.0.0.1 that nobody but its owner has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mes")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "mes.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "mes.key").write_bytes(key.private_bytes(*plain))
    return tmp_path / "mes.pem", tmp_path / "mes.key"


def test_over_tls_only_a_peer_with_a_trusted_certificate_hears_parts(make, receiver, make_report, certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http:", "https:")
    make(url=url, ca_file=certificate[0], timeout_s=5).tell([make_report()])
    assert len(receiver.bodies) == 1
    with pytest.raises(PeerFault, match="self-signed certificate"):
        make(url=url, timeout_s=5).tell([make_report()])
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("url", ["ftp://x/", "parts", "http://", "http://ann:secret@x/"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match=r"test\.toml: output: url: .*expected"):
        outputs_settings({"kind": "webhook", "url": url}, "test.toml")


def test_a_key_file_that_is_missing_is_named(about, tmp_path: Path) -> None:
    block = {"kind": "webhook", "url": "http://x/", "secret_file": tmp_path / "gone"}
    (settings,) = outputs_settings(block, "test.toml")
    with pytest.raises(ConfigError, match="gone: cannot be read"):
        make_teller(settings, about)
    (settings,) = outputs_settings({"kind": "mqtt", "host": "x", "ca_file": tmp_path / "lost"}, "test.toml")
    with pytest.raises(ConfigError, match="lost: cannot be read"):
        make_teller(settings, about)


def test_attending_a_webhook_costs_nothing(make) -> None:
    assert make(url="http://127.0.0.1:1/").attend(LineState()) is None
