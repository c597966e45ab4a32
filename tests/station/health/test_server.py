"""The health port against real sockets: friends are answered; who is slow, rude or deaf keeps nobody waiting."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.errors import ConfigError
from inspector.ids import new_id
from station.config import load_station_config
from station.health.document import Since, assess, health_document
from station.health.hub import Hub, PartEvent
from station.health.port import listen
from station.health.server import MOST_CONNECTIONS, MOST_STREAMS, HealthServer, Patience, Shown
from station.health.settings import HealthSettings
from station.preview import Preview, PreviewSlot
from tests.station.health.sights import sight, status, watched

AT = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
PATIENCE = Patience(head_s=0.4, send_s=0.4, alive_s=0.3)
TOKEN = "a-token-of-the-station"


def shown(ledger: str = "well") -> Shown:
    health = assess(watched(), sight(status(ledger=ledger)), AT)
    return Shown(health, health_document(health, Since().note(health)))


@contextmanager
def serving(token: bytes | None = None, hub: Hub | None = None) -> Iterator[HealthServer]:
    slots = {"camera-1": PreviewSlot(), "side": PreviewSlot()}
    server = HealthServer(listen(HealthSettings(port=0)), shown(), hub or Hub(), slots, token, PATIENCE)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.hub.close()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[HealthServer]:
    with serving() as each:
        yield each


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


def ask(server: HealthServer, path: str, method: str = "GET", **headers: str) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): words for name, words in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def dial(server: HealthServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10)


def rest_of(connection: socket.socket) -> bytes:
    """Read until the other side closes; a reset is an end too."""
    said = b""
    try:
        while piece := connection.recv(65_536):
            said += piece
    except ConnectionResetError:
        pass
    return said


# ---- friends


def test_health_is_200_while_the_line_may_run_and_503_otherwise(server: HealthServer) -> None:
    well = ask(server, "/health")
    assert (well.status, json.loads(well.body)["may_run"]) == (200, True)
    server.shown = shown("the disk is full")
    ill = ask(server, "/health")
    server.shown = shown()
    assert (ill.status, json.loads(ill.body)["may_run"]) == (503, False)
    assert json.loads(ill.body)["devices"][0]["device"] == "ledger"


def test_head_says_how_long_the_answer_would_be_and_holds_none(server: HealthServer) -> None:
    reply = ask(server, "/health", "HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) == len(server.shown.document)
    assert ask(server, "/nowhere", "HEAD").body == b""


def test_metrics_come_whatever_the_reader_says_that_it_accepts(server: HealthServer) -> None:
    for accept in ("", "application/openmetrics-text;version=abc;escaping=zzz", "image/png"):
        reply = ask(server, "/metrics", Accept=accept)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"\ninspector_triggers_total 0.0\n" in reply.body


def test_no_answer_is_kept_by_a_cache_or_taken_for_something_else(server: HealthServer) -> None:
    headers = ask(server, "/health").headers
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def show(server: HealthServer, camera: str, age_s: float) -> Preview:
    written_ns = time.monotonic_ns() - int(age_s * 1e9)
    preview = Preview(np.full((40, 60, 3), 200, np.uint8), 7, new_id(), AT, written_ns)
    server.slots[camera].write(preview)
    return preview


def test_the_newest_picture_of_the_first_camera_is_shown_with_its_part(server: HealthServer) -> None:
    preview = show(server, "camera-1", 0.0)
    reply = ask(server, "/preview.jpg")
    image = cv2.imdecode(np.frombuffer(reply.body, np.uint8), cv2.IMREAD_COLOR)
    assert (reply.status, reply.headers["Content-Type"], image.shape) == (200, "image/jpeg", (40, 60, 3))
    assert (reply.headers["X-Part-Id"], reply.headers["X-Sequence"]) == (str(preview.part_id), "7")
    assert (reply.headers["X-Camera"], reply.headers["X-Captured-At"]) == ("camera-1", "2026-11-27T14:30:00.000000Z")


def test_a_picture_that_is_old_is_not_shown_unless_it_may_be(server: HealthServer) -> None:
    show(server, "camera-1", 35.0)
    old = ask(server, "/preview.jpg?camera=camera-1")
    assert (old.status, json.loads(old.body)["age_s"]) == (503, pytest.approx(35.0, abs=5))
    assert "expected 10 s at most" in old.error
    assert ask(server, "/preview.jpg?max_age_s=3600").status == 200


@pytest.mark.parametrize(("asked", "width"), [("", 640), ("?longest_px=1280", 1280), ("?longest_px=400", 320)])
def test_a_picture_is_as_large_as_its_reader_wants_it(server: HealthServer, asked: str, width: int) -> None:
    big = Preview(np.full((1024, 1280, 3), 200, np.uint8), 7, new_id(), AT, time.monotonic_ns())
    server.slots["camera-1"].write(big)
    image = cv2.imdecode(np.frombuffer(ask(server, f"/preview.jpg{asked}").body, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (width * 4 // 5, width, 3)


def test_a_picture_that_its_reader_has_is_not_sent_again(server: HealthServer) -> None:
    show(server, "camera-1", 0.0)
    assert not server.slots["side"].asked_within(60)
    again = ask(server, "/preview.jpg?after=7")
    assert (again.status, again.body, again.headers["X-Sequence"]) == (204, b"", "7")
    assert ask(server, "/preview.jpg?after=6").status == 200
    assert server.slots["camera-1"].asked_within(60)


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/preview.jpg?longest_px=5000", 400, "longest_px=5000: expected 64 to 1280"),
        ("/preview.jpg?camera=side", 503, "side: there is no picture yet"),
        ("/preview.jpg?camera=none", 404, "camera 'none': expected one of camera-1, side"),
        ("/preview.jpg?max_age_s=soon", 400, "max_age_s=soon: expected 0.1 to 86400"),
        ("/preview.jpg?max_age_s=nan", 400, "max_age_s=nan: expected 0.1 to 86400"),
        ("/events?last=1001", 400, "last=1001: expected 0 to 1000"),
        ("/", 404, "expected /health, /metrics, /preview.jpg or /events"),
        ("/../etc/passwd", 404, "expected /health, /metrics, /preview.jpg or /events"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_line(server: HealthServer, path: str, code: int, words: str) -> None:
    reply = ask(server, path)
    assert (reply.status, reply.error) == (code, words)


# ---- who may ask


def test_with_a_token_only_those_who_have_it_are_answered() -> None:
    with serving(TOKEN.encode()) as guarded:
        refused = [ask(guarded, "/health"), ask(guarded, "/events", Authorization="Bearer wrong")]
        refused += [ask(guarded, "/metrics", Authorization=words) for words in (TOKEN, "Bearer ", f"Bearer {TOKEN}x")]
        known = ask(guarded, "/health", Authorization=f"Bearer {TOKEN}", Host="press-4.plant")
    assert [reply.status for reply in refused] == [401] * 5
    assert (refused[0].headers["WWW-Authenticate"], known.status) == ("Bearer", 200)
    assert "token" in refused[0].error


def test_a_page_of_another_site_does_not_get_in_by_a_name_of_its_own(server: HealthServer) -> None:
    assert ask(server, "/health", Host="evil.example:8472").status == 421
    assert [ask(server, "/health", Host=host).status for host in ("localhost:8472", "[::1]:8472", "127.0.0.1")] == [
        200
    ] * 3


def test_other_methods_are_refused(server: HealthServer) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "get"):
        reply = ask(server, "/health", method)
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


# ---- hostile ones


def refusal_of(server: HealthServer, said: bytes) -> int:
    with dial(server) as connection:
        connection.sendall(said)
        answer = rest_of(connection)
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize(
    "said",
    [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET /health\r\n\r\n", b"\r\n\r\n", b"GET /health HTTP/9\r\n\r\n",
     b"GET //[::1 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n"],
    ids=["tls", "http09", "empty", "version", "bad-target", "many-headers"],
)  # fmt: skip
def test_what_is_no_request_is_refused(server: HealthServer, said: bytes) -> None:
    assert refusal_of(server, said) == 400


def test_a_giant_header_is_refused_without_being_read(server: HealthServer) -> None:
    assert refusal_of(server, b"GET /health HTTP/1.1\r\nX: " + b"a" * 200_000) == 431


def test_a_client_that_says_nothing_is_sent_away(server: HealthServer) -> None:
    started_s = time.monotonic()
    with dial(server) as connection:
        assert b" 408 " in rest_of(connection)
    assert time.monotonic() - started_s > PATIENCE.head_s / 2


def test_a_client_that_ends_in_the_middle_is_refused(server: HealthServer) -> None:
    with dial(server) as connection:
        connection.sendall(b"GET /health HT")
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in rest_of(connection)


def test_a_byte_at_a_time_buys_no_time_and_keeps_nobody_waiting(server: HealthServer) -> None:
    with ExitStack() as open_connections:
        lorises = [open_connections.enter_context(dial(server)) for _ in range(8)]
        started_s = time.monotonic()
        answered = 0
        while time.monotonic() - started_s < 2 * PATIENCE.head_s:
            for loris in lorises:
                try:
                    loris.send(b"G")
                except OSError:
                    continue
            answered += ask(server, "/health").status == 200
            time.sleep(0.02)
        assert answered > 3
        assert all(rest_of(loris)[:12] in (b"", b"HTTP/1.1 408") for loris in lorises)


def test_a_refused_client_that_goes_on_talking_is_closed_all_the_same(server: HealthServer) -> None:
    with dial(server) as connection:
        connection.sendall(b"\r\n\r\n")
        started_s = time.monotonic()
        try:
            while time.monotonic() - started_s < 20:
                connection.send(b"x")
                time.sleep(0.05)
        except OSError:
            pass
    assert time.monotonic() - started_s < 10


def test_beyond_its_room_the_port_turns_away_at_once_and_recovers(server: HealthServer) -> None:
    with ExitStack() as open_connections:
        for _ in range(MOST_CONNECTIONS):
            open_connections.enter_context(dial(server))
        with dial(server) as one_more:
            assert b" 503 " in rest_of(one_more)
    assert eventually(lambda: ask(server, "/health").status == 200)


def eventually(holds: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    until_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.02)
    return True


# ---- events


def part(position: int, size: int = 20) -> PartEvent:
    return PartEvent(position, json.dumps({"position": position, "filling": "x" * size}).encode())


def loaded_hub(positions: range, history: int = 1000) -> Hub:
    hub = Hub(history)
    hub.begin(positions.start - 1)
    hub.put([part(position) for position in positions])
    hub.load()
    hub.announce(b'{"state":"good"}')
    return hub


class Stream:
    """A reader of /events."""

    def __init__(self, server: HealthServer, path: str = "/events", resume: int | None = None) -> None:
        self.connection = dial(server)
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Last-Event-ID: {resume}\r\n" if resume is not None else ""
        self.connection.sendall(f"{head}\r\n".encode())
        self.file = self.connection.makefile("rb")
        assert b" 200 " in self.file.readline()
        while self.file.readline().strip():
            pass

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.close()
        self.connection.close()

    def blocks(self, count: int) -> list[dict[str, str]]:
        """Read so many events or comments, without the `retry` that each stream begins with."""
        found: list[dict[str, str]] = []
        while len(found) < count:
            lines = iter(lambda: self.file.readline().decode().rstrip("\n"), "")
            block = dict(line.split(": ", 1) for line in lines)
            if "retry" not in block:
                found.append(block)
        return found

    def ids(self, count: int) -> list[int]:
        return [int(block["id"]) for block in self.blocks(count)]


def test_a_stream_begins_with_the_health_and_goes_on_with_what_comes() -> None:
    with serving(hub=loaded_hub(range(1, 4))) as server, Stream(server) as stream:
        assert stream.blocks(1) == [{"event": "health", "data": '{"state":"good"}'}]
        server.hub.put([part(4)])
        (told,) = stream.blocks(1)
        assert (told["event"], told["id"], json.loads(told["data"])["position"]) == ("part", "4", 4)
        server.hub.announce(b'{"state":"good","parts":{"triggers":4}}', changed=False)
        server.hub.announce(b'{"state":"failure"}')
        assert stream.blocks(1) == [{"event": "health", "data": '{"state":"failure"}'}]


def test_a_stream_begins_with_the_health_of_the_moment_and_not_of_the_last_change() -> None:
    with serving(hub=loaded_hub(range(1, 2))) as server:
        server.hub.announce(b'{"state":"good","parts":{"triggers":4}}', changed=False)
        with Stream(server) as stream:
            assert json.loads(stream.blocks(1)[0]["data"])["parts"] == {"triggers": 4}


def test_a_stream_that_has_nothing_to_tell_says_that_it_lives() -> None:
    with serving(hub=loaded_hub(range(1, 2))) as server, Stream(server) as stream:
        stream.blocks(1)
        assert stream.file.readline() == b": alive\n"


def test_a_stream_resumes_behind_the_last_part_that_was_heard() -> None:
    with serving(hub=loaded_hub(range(1, 10))) as server:
        with Stream(server, resume=6) as stream:
            assert stream.blocks(1)[0]["event"] == "health"
            assert stream.ids(3) == [7, 8, 9]
        with Stream(server, "/events?last=2") as stream:
            stream.blocks(1)
            assert stream.ids(2) == [8, 9]


def test_parts_that_are_no_longer_remembered_are_a_gap() -> None:
    with serving(hub=loaded_hub(range(1, 21), history=3)) as server, Stream(server, resume=5) as stream:
        _, gap, *_ = stream.blocks(3)
        assert gap["event"] == "gap"
        assert json.loads(gap["data"]) == {"schema": "open-inspector/event/gap/1", "after": 5, "before": 18}


def test_an_id_that_is_none_is_refused(server: HealthServer) -> None:
    for words in ("last", "-1", "1e3", "9" * 40):
        assert ask(server, "/events", Last_Event_ID=words).status == 400


def test_a_reader_that_does_not_read_is_dropped_and_the_others_hear_all() -> None:
    with serving(hub=loaded_hub(range(1, 2))) as server, Stream(server, resume=1) as reader:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with deaf:
            deaf.connect(("127.0.0.1", server.server_address[1]))
            deaf.sendall(b"GET /events HTTP/1.1\r\n\r\n")
            assert eventually(lambda: server.hub.readers == 2)
            reader.blocks(1)
            for position in range(2, 202):
                server.hub.put([part(position, 4000)])
            assert reader.ids(200) == list(range(2, 202))
            assert eventually(lambda: server.dropped == 1)
            assert eventually(lambda: server.hub.readers == 1)


def test_a_reader_that_goes_away_is_no_reader_any_more() -> None:
    with serving(hub=loaded_hub(range(1, 2))) as server:
        with Stream(server) as stream:
            stream.blocks(1)
        assert eventually(lambda: server.hub.readers == 0)
        assert server.dropped == 0


def test_there_is_room_for_so_many_streams_and_health_is_answered_all_the_same() -> None:
    with serving(hub=loaded_hub(range(1, 2))) as server, ExitStack() as streams:
        for _ in range(MOST_STREAMS):
            streams.enter_context(Stream(server)).blocks(1)
        assert ask(server, "/events").status == 503
        assert ask(server, "/health").status == 200


# ---- where it listens


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_beyond_this_machine_a_token_is_needed(host: str, tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    tables = (
        f'[station]\nname = "a"\nfolder = "s"\nbundle = "b"\n[camera]\nkind = "synthetic"\n[health]\nhost = "{host}"\n'
    )
    config.write_text(tables)
    with pytest.raises(ConfigError, match=r"health: .*host .* is reached from other machines; expected token_file"):
        load_station_config(config)
    config.write_text(f'{tables}token_file = "health.token"\n')
    settings = load_station_config(config).health
    assert settings is not None
    assert settings.token_file == tmp_path / "health.token"


def test_a_port_that_is_taken_is_said_by_name(server: HealthServer) -> None:
    taken = HealthSettings(port=server.server_address[1])
    with pytest.raises(ConfigError, match=rf"cannot listen at 127.0.0.1:{taken.port} \(Address already in use\)"):
        listen(taken)


def test_limits_of_the_disk_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="must not exceed disk_low_gb"):
        HealthSettings(disk_low_gb=1, disk_full_gb=2)
