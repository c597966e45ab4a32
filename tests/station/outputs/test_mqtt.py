"""MQTT 5 against a real mosquitto: alive, dead, frozen, killed and refusing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.peers import Listener, Mosquitto
from inspector.errors import ConfigError, PeerFault
from station.outputs import outputs_settings
from station.outputs.base import LineState
from station.outputs.document import part_document
from station.outputs.mqtt import MqttSettings, MqttTeller

PART, STATUS = "open-inspector/press-4/part", "open-inspector/press-4/status"
RUNNING = LineState("running")


@pytest.fixture
def make(about) -> Iterator[Callable[..., MqttTeller]]:
    made: list[MqttTeller] = []

    def make(port: int, **settings: Any) -> MqttTeller:
        fields = {"kind": "mqtt", "host": "127.0.0.1", "port": port, "timeout_s": 0.5, **settings}
        made.append(MqttTeller(MqttSettings(**fields), about))
        return made[-1]

    yield make
    for teller in made:
        teller.__exit__()


@pytest.mark.parametrize("qos", [1, 2])
def test_parts_are_published_once_and_in_order_with_their_ids(make, broker, listener, make_report, until, qos) -> None:
    teller, reports = make(broker.port, qos=qos), [make_report(n) for n in range(1, 101)]
    teller.attend(RUNNING)
    teller.tell(reports)
    until(lambda: len(listener.on(PART)) == 100)
    assert listener.on(PART) == [part_document(report) for report in reports]
    told = [dict(p.UserProperty)["part_id"] for p in listener.properties if hasattr(p, "UserProperty")]
    assert told == [str(report.record.part_id) for report in reports]


def states(listener: Listener) -> list[str]:
    return [json.loads(payload)["state"] for payload in listener.on(STATUS)]


def test_the_lines_state_is_retained_and_a_good_bye_says_offline(make, broker, listener, until) -> None:
    teller = make(broker.port)
    teller.attend(LineState("starting"))
    teller.attend(LineState("starting"))
    teller.attend(LineState("running", "the disk is full"))
    teller.__exit__()
    until(lambda: len(states(listener)) == 3)
    assert states(listener) == ["starting", "running", "offline"]
    assert json.loads(listener.on(STATUS)[1]) == {
        "schema": "open-inspector/status/1",
        "station": "press-4",
        "state": "running",
        "fault": "the disk is full",
        "recipe": "flange",
        "bundle_id": "b" * 64,
    }
    with Listener(broker.port, STATUS) as late:
        until(lambda: late.heard)
        assert late.heard[0][2], "a subscriber that comes later is told too"


def test_a_station_that_dies_without_a_word_is_offline_by_its_last_will(make, broker, listener, until) -> None:
    teller = make(broker.port)
    teller.attend(RUNNING)
    teller._session.drop()
    until(lambda: states(listener) == ["running", "offline"])


def test_a_broker_that_is_not_there_is_a_fault_and_later_a_peer(make, make_report, tmp_path, broker, until) -> None:
    broker.kill()
    teller = make(broker.port)
    with pytest.raises(PeerFault, match="refused"):
        teller.attend(RUNNING)
    broker.start()
    with Listener(broker.port) as listener:
        teller.attend(RUNNING)
        teller.tell([make_report()])
        until(lambda: listener.on(PART))


def test_a_broker_that_takes_connections_and_says_nothing_is_a_fault_in_time(make, deaf_port: int) -> None:
    started_s = time.monotonic()
    with pytest.raises(PeerFault, match="no answer in time"):
        make(deaf_port).attend(RUNNING)
    assert time.monotonic() - started_s < 10


def test_a_broker_that_freezes_is_a_fault_in_time_and_hears_the_parts_when_it_thaws(
    make, broker: Mosquitto, listener: Listener, make_report, until
) -> None:
    teller, report = make(broker.port), make_report()
    teller.attend(RUNNING)
    broker.freeze()
    started_s = time.monotonic()
    with pytest.raises(PeerFault, match="no answer in time") as fault:
        teller.tell([report])
    assert time.monotonic() - started_s < 10
    assert fault.value.told == 0
    broker.thaw()
    teller.attend(RUNNING)
    teller.tell([report])
    until(lambda: part_document(report) in listener.on(PART))


def test_a_broker_that_is_killed_is_a_fault_that_says_how_far_it_came(make, broker, make_report, until) -> None:
    teller = make(broker.port)
    teller.attend(RUNNING)
    teller.tell([make_report(1)])
    broker.kill()
    with pytest.raises(PeerFault) as fault:
        teller.tell([make_report(2), make_report(3)])
    assert fault.value.told == 0
    with pytest.raises(PeerFault):
        teller.attend(RUNNING)


def test_a_message_that_the_broker_does_not_allow_is_no_part_told(make, tmp_path, free_port, make_report) -> None:
    (tmp_path / "acl").write_text(f"topic write {STATUS}\n")
    with Mosquitto(tmp_path, free_port, f"acl_file {tmp_path / 'acl'}\n") as strict:
        teller = make(strict.port)
        teller.attend(RUNNING)
        with pytest.raises(PeerFault, match="Not authorized") as fault:
            teller.tell([make_report()])
        assert fault.value.told == 0


def test_a_broker_that_wants_a_password_is_told_one_from_a_file(make, tmp_path, free_port) -> None:
    (tmp_path / "password").write_text("sesame\n")
    with Mosquitto(tmp_path, free_port, "allow_anonymous false\n") as strict:
        with pytest.raises(PeerFault, match="Not authorized"):
            make(strict.port).attend(RUNNING)
        with pytest.raises(PeerFault, match="Not authorized"):
            make(strict.port, username="ann", password_file=tmp_path / "password").attend(RUNNING)


@pytest.mark.parametrize("topic", ["plant/#", "+", "$SYS/x"])
def test_a_topic_that_a_broker_would_misread_is_refused(topic: str) -> None:
    with pytest.raises(ConfigError, match="topic"):
        outputs_settings({"kind": "mqtt", "host": "broker", "topic": topic}, "test.toml")


def test_no_password_shows_in_what_is_printed(make, tmp_path) -> None:
    (tmp_path / "password").write_text("sesame\n")
    settings = MqttSettings(kind="mqtt", host="broker", username="ann", password_file=tmp_path / "password")
    assert "sesame" not in repr(settings.broker("x"))
