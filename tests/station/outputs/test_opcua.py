"""The OPC UA server as a real client sees it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from asyncua import Client, ua

from db.records import Report
from inspector.errors import DatabaseError, PeerFault
from inspector.values import Outcome
from station.outputs.base import LineState
from station.outputs.opcua import OpcUaSettings, OpcUaTeller
from station.outputs.opcua_space import MACHINE_VISION, MODES, OURS, STATES, states_of

RUNNING = LineState("running")


@pytest.fixture
def teller(about, free_port: int) -> Iterator[OpcUaTeller]:
    with OpcUaTeller(OpcUaSettings(kind="opcua", port=free_port, kept=3, timeout_s=20), about) as teller:
        teller.attend(RUNNING)
        yield teller


@pytest.fixture
def ask(free_port: int) -> Callable[..., Any]:
    """Return a function that runs a coroutine of a connected client, while this thread goes on elsewhere if need be."""

    def run(work: Callable[[Client], Awaitable[Any]]) -> Any:
        url = f"opc.tcp://127.0.0.1:{free_port}/open-inspector/"

        async def connected() -> Any:
            async with Client(url, timeout=20, watchdog_intervall=30) as client:  # by itself it gives up after 1 s
                await client.load_data_type_definitions()
                return await work(client)

        return asyncio.run(connected())

    return run


async def below(client: Client, *names: str) -> Any:
    """Return the node of the vision system that lies on a path of names of the specification."""
    ours, theirs = await client.get_namespace_index(OURS), await client.get_namespace_index(MACHINE_VISION)
    path = [f"{ours}:press-4", *(name if ":" in name else f"{theirs}:{name}" for name in names)]
    return await client.nodes.objects.get_child(path)


def test_the_states_of_the_line_are_those_of_the_specification(teller: OpcUaTeller, ask) -> None:
    async def look(client: Client) -> list[Any]:
        machine = await below(client, "VisionStateMachine")
        automatic = await below(client, "VisionStateMachine", "AutomaticModeStateMachine")
        found = []
        for each in (machine, automatic):
            current = await each.get_child("0:CurrentState")
            identity = await (await current.get_child("0:Id")).read_value()
            found.append(((await current.read_value()).Text, identity.Identifier))
        return found

    assert ask(look) == [("Operational", STATES["Operational"]), ("ContinuousExecution", MODES["ContinuousExecution"])]
    teller.attend(LineState("restarting"))
    assert ask(look)[0] == ("Error", STATES["Error"])


@pytest.mark.parametrize(
    ("line", "states"),
    [
        (LineState("starting"), ("Preoperational", "")),
        (LineState("running"), ("Operational", "ContinuousExecution")),
        (LineState("running", "the disk is full"), ("Error", "")),
        (LineState("ending"), ("Operational", "Ready")),
        (LineState("ended"), ("Halted", "")),
        (LineState("something new"), ("Halted", "")),
    ],
)
def test_each_state_of_the_line_has_its_state(line: LineState, states: tuple[str, str]) -> None:
    assert states_of(line) == states


def test_results_can_be_read_and_asked_for_by_their_id(teller: OpcUaTeller, ask, make_report) -> None:
    reports = [make_report(n, simulated=True, defect_probability=None, outcome=Outcome.REVIEW) for n in range(1, 6)]
    teller.tell(reports)

    async def look(client: Client) -> tuple[Any, ...]:
        ours, theirs = await client.get_namespace_index(OURS), await client.get_namespace_index(MACHINE_VISION)
        management = await below(client, "ResultManagement")
        latest = await (await management.get_child([f"{theirs}:Results", f"{ours}:LatestResult"])).read_value()
        known, forgotten = [
            await management.call_method(f"{theirs}:GetResultById", str(report.record.part_id), ua.Int32(0))
            for report in (reports[2], reports[0])
        ]
        recipe = await (await below(client, "RecipeManagement", "Recipes", f"{ours}:flange", "InternalId")).read_value()
        kind = await (await below(client)).read_type_definition()
        return latest, known, forgotten, recipe, kind

    latest, known, forgotten, recipe, kind = ask(look)
    newest = reports[-1].record
    assert (latest.ResultId, latest.PartId, latest.Trigger) == (str(newest.part_id), str(newest.part_id), 5)
    assert (latest.Outcome, latest.Reasons, latest.DefectProbability) == ("REVIEW", "dark; scratched", -1.0)
    assert (latest.IsSimulated, latest.HasTransferableDataOnFile, latest.IsPartial) == (True, False, False)
    assert latest.CreationTime.replace(tzinfo=UTC) == newest.completed_at
    assert (known[1].Trigger, known[2]) == (3, 0)
    assert forgotten[2] == -1, "only the last three are kept"
    assert recipe == "flange"
    assert kind.Identifier == 1003


class Events:
    """A subscription's handler that keeps what comes."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.heard.append(event)


def test_each_result_is_told_by_an_event_once_and_in_order(teller: OpcUaTeller, ask, make_report) -> None:
    reports, subscribed, events = [make_report(n) for n in range(1, 31)], threading.Event(), Events()

    async def listen(client: Client) -> None:
        ours = await client.get_namespace_index(OURS)
        kind = await client.nodes.base_event_type.get_child(
            [
                f"{await client.get_namespace_index(MACHINE_VISION)}:ResultReadyEventType",
                f"{ours}:InspectionResultReadyEventType",
            ]
        )
        subscription = await client.create_subscription(20, events)
        await subscription.subscribe_events(await below(client), kind)
        subscribed.set()
        for _ in range(500):
            if len(events.heard) >= 30:
                break
            await asyncio.sleep(0.02)
        await subscription.delete()

    client = threading.Thread(target=lambda: ask(listen))
    client.start()
    assert subscribed.wait(20)
    teller.tell(reports)
    client.join()
    assert [event.ResultId for event in events.heard] == [str(report.record.part_id) for report in reports]
    first = events.heard[0]
    assert (first.Outcome, first.DefectProbability, first.Trigger, first.IsSimulated) == ("REJECT", 0.875, 1, False)


def test_a_port_that_is_taken_is_a_fault_and_later_it_is_not(about, deaf_port: int) -> None:
    with (
        OpcUaTeller(OpcUaSettings(kind="opcua", port=deaf_port, timeout_s=20), about) as teller,
        pytest.raises(PeerFault, match="cannot listen"),
    ):
        teller.attend(RUNNING)


class Kept:
    """A ledger with five parts, that can be away."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self._reports, self.away = reports, False

    def reports(self, after: int, limit: int) -> Sequence[Report]:
        if self.away:
            raise DatabaseError("away")
        return [report for report in self._reports if report.position > after][:limit]


def test_a_client_that_was_away_asks_for_what_it_missed(about, free_port: int, ask, make_report) -> None:
    """Also what another process told before this one, and never more at once than is kept."""
    ledger = Kept([make_report(n, outcome=Outcome.PASS) for n in range(1, 6)])
    settings = OpcUaSettings(kind="opcua", port=free_port, kept=3, timeout_s=20)

    async def look(client: Client) -> list[list[int]]:
        ours, management = await client.get_namespace_index(OURS), await below(client, "ResultManagement")

        async def after(position: int, most: int) -> list[int]:
            arguments = ua.Variant(position, ua.VariantType.UInt64), ua.Variant(most, ua.VariantType.UInt32)
            found = await management.call_method(f"{ours}:GetResultsAfter", *arguments)
            return [each.Position for each in found or ()]

        found = [
            await after(0, 2),
            await after(2, 100),
            await after(4, 0),
            await after(5, 9),
            await after(2**64 - 1, 1),
        ]
        ledger.away = True
        with pytest.raises(ua.UaStatusCodeError, match="BadResourceUnavailable"):
            await after(0, 2)
        return found

    with OpcUaTeller(settings, replace(about, earlier=ledger)) as teller:
        teller.attend(RUNNING)
        assert ask(look) == [[1, 2], [3, 4, 5], [5], [], []]
