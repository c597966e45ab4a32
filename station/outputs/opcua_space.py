"""What an OPC UA client sees: a vision system after OPC 40100-1, with its states, its recipe and its results.

Types of the companion specification stand in its namespace under their own node ids and names; what we add stands in
ours. Loaded by the telling process only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.server.event_generator import EventGenerator
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from db.records import Report
from inspector.errors import DatabaseError
from station.outputs.base import About, LineState
from station.outputs.opcua import OpcUaSettings
from station.outputs.opcua_access import Access
from station.outputs.opcua_methods import Nodes, OrderNodes
from station.outputs.opcua_orders import OrderMethods, held_states

MACHINE_VISION = "http://opcfoundation.org/UA/MachineVision"
OURS = "urn:open-inspector:inspection"

# Node ids of the companion specification's types, in its namespace.
VISION_SYSTEM, RECIPE_MANAGEMENT, RECIPE, RESULT_MANAGEMENT = 1003, 1004, 1002, 1007
RECIPE_FOLDER, RESULT_FOLDER = 1008, 1016
STATE_MACHINE, AUTOMATIC_MODE = 1017, 1021
RESULT_READY, STATE_CHANGED = 1024, 1018

STATES = {"Preoperational": 5028, "Halted": 5029, "Error": 5030, "Operational": 5031}
"""States of the vision state machine, by the node ids of the specification."""
MODES = {"Initialized": 5056, "Ready": 5057, "SingleExecution": 5058, "ContinuousExecution": 5059}
"""States of its automatic mode."""
_OF_LINE = {
    "starting": ("Preoperational", ""),
    "running": ("Operational", "ContinuousExecution"),
    "restarting": ("Error", ""),
    "ending": ("Operational", "Ready"),
    "ended": ("Halted", ""),
    "offline": ("Halted", ""),
}
_NOT_FOUND = -1
LAST_POSITION = 2**63 - 1
"""What a database's counter holds; a client may send twice as much."""

_RESULT_FIELDS = (
    ("ResultId", ua.VariantType.String),
    ("HasTransferableDataOnFile", ua.VariantType.Boolean),
    ("IsPartial", ua.VariantType.Boolean),
    ("IsSimulated", ua.VariantType.Boolean),
    ("ResultState", ua.VariantType.Int32),
    ("PartId", ua.VariantType.String),
    ("InternalRecipeId", ua.VariantType.String),
    ("InternalConfigurationId", ua.VariantType.String),
    ("JobId", ua.VariantType.String),
    ("CreationTime", ua.VariantType.DateTime),
)
"""Of the specification. Ids are plain strings here, where it has structures."""
_OUR_FIELDS = (
    ("Outcome", ua.VariantType.String),
    ("Reasons", ua.VariantType.String),
    ("DefectClass", ua.VariantType.String),
    ("DefectProbability", ua.VariantType.Double),
    ("Trigger", ua.VariantType.UInt64),
    ("Position", ua.VariantType.UInt64),
)
_STATE_FIELDS = (("FromState", ua.VariantType.String), ("ToState", ua.VariantType.String))
_ENDED_WELL = 1
NO_PROBABILITY = -1.0


def states_of(line: LineState) -> tuple[str, str]:
    """Return the state of the vision state machine, and of its automatic mode where it has one."""
    if line.fault is not None and line.state == "running":
        return "Error", ""
    if line.held and line.state == "running":
        return held_states(line.held)
    return _OF_LINE.get(line.state, ("Halted", ""))


class VisionSystem:
    """One server with one vision system. Everything runs on one asyncio loop."""

    def __init__(self, settings: OpcUaSettings, about: About) -> None:
        self._url = f"opc.tcp://{settings.host}:{settings.port}/open-inspector/"
        self._about, self._kept = about, settings.kept
        self._access = Access(settings, about.station, about.folder)
        self._server = self._access.make_server()
        self._orders: OrderNodes | None = None
        if settings.orders and about.orders is not None:
            self._orders = OrderNodes(OrderMethods(about.orders, about.station, settings.called))
        self._bundles: dict[str, Node] = {}
        self._results: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._state = ""

    async def start(self) -> None:
        """Build the address space and listen; raise OSError."""
        await self._server.init()
        self._server.set_endpoint(self._url)
        self._server.set_server_name("Open Inspector")
        await self._access.guard(self._server)
        self._theirs = await self._server.register_namespace(MACHINE_VISION)
        self._ours = await self._server.register_namespace(OURS)
        await self._add_types()
        await self._add_system()
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def show_state(self, line: LineState) -> None:
        state, mode = states_of(line)
        if state != self._state:
            await self._write_state(self._current, self._current_id, state, STATES[state])
            await self._say_changed(self._state, state)
            self._state = state
        await self._write_state(self._mode, self._mode_id, mode, MODES.get(mode, 0))
        await self._show_recipe(line)
        if self._orders is not None:
            self._orders.show(line, (state, mode))

    async def _show_recipe(self, line: LineState) -> None:
        """Say which recipe is in force, and with which bundle; the others have none."""
        if line.recipe:
            await self._in_force.write_value(line.recipe)
            for name, bundle in self._bundles.items():
                await bundle.write_value(line.bundle_id if name == line.recipe else "")

    async def show_result(self, report: Report) -> None:
        """Put a part's result into the address space, and tell of it by an event."""
        fields = result_fields(report)
        self._results[fields["ResultId"]] = fields
        while len(self._results) > self._kept:
            self._results.popitem(last=False)
        await self._latest.write_value(self._structure(fields))
        event = self._result_ready.event
        for name, value in fields.items():
            setattr(event, name, value)
        await self._result_ready.trigger(
            time_attr=report.record.completed_at, message=f"part {report.record.trigger}: {report.record.outcome}"
        )

    # ---- types

    async def _add_types(self) -> None:
        nodes = self._server.nodes
        self._types = {
            number: await nodes.base_object_type.add_object_type(self._their_id(number), self._their_name(name))
            for number, name in (
                (VISION_SYSTEM, "VisionSystemType"),
                (RECIPE_MANAGEMENT, "RecipeManagementType"),
                (RECIPE, "RecipeType"),
                (RESULT_MANAGEMENT, "ResultManagementType"),
                (RECIPE_FOLDER, "RecipeFolderType"),
                (RESULT_FOLDER, "ResultFolderType"),
            )
        }
        machine = self._server.get_node(ObjectIds.FiniteStateMachineType)
        for number, name in (
            (STATE_MACHINE, "VisionStateMachineType"),
            (AUTOMATIC_MODE, "VisionAutomaticModeStateMachineType"),
        ):
            self._types[number] = await machine.add_object_type(self._their_id(number), self._their_name(name))
        for owner, states in ((STATE_MACHINE, STATES), (AUTOMATIC_MODE, MODES)):
            for name, number in states.items():
                await self._types[owner].add_object(self._their_id(number), self._their_name(name))
        await self._add_event_types()
        await new_struct(
            self._server,
            self._ours,
            "InspectionResultDataType",
            [new_struct_field(name, kind) for name, kind in (*_RESULT_FIELDS, *_OUR_FIELDS)],
        )
        await self._server.load_data_type_definitions()  # the library makes the class, in its own module

    async def _add_event_types(self) -> None:
        base, theirs = self._server.nodes.base_event_type, self._theirs
        changed = await base.add_object_type(self._their_id(STATE_CHANGED), self._their_name("StateChangedEventType"))
        self._changed_type = await self._with_fields(changed, theirs, _STATE_FIELDS)
        ready = await base.add_object_type(self._their_id(RESULT_READY), self._their_name("ResultReadyEventType"))
        await self._with_fields(ready, theirs, _RESULT_FIELDS)
        ours = await ready.add_object_type(self._new_id(), self._our_name("InspectionResultReadyEventType"))
        self._ready_type = await self._with_fields(ours, self._ours, _OUR_FIELDS)

    async def _with_fields(self, kind: Node, namespace: int, fields: Sequence[tuple[str, ua.VariantType]]) -> Node:
        for name, variant in fields:
            value = ua.Variant(ua.get_default_value(variant), variant)
            await kind.add_property(self._new_id(), ua.QualifiedName(name, namespace), value)
        return kind

    # ---- the system

    async def _add_system(self) -> None:
        system = await self._add(self._server.nodes.objects, self._about.station, VISION_SYSTEM, self._ours)
        await self._add_states(system)
        await self._add_recipe(system)
        await self._add_results(system)
        self._state_changed = await self._server.get_event_generator(self._changed_type, system.nodeid)
        self._result_ready: EventGenerator = await self._server.get_event_generator(self._ready_type, system.nodeid)

    async def _add_states(self, system: Node) -> None:
        machine = await self._add(system, "VisionStateMachine", STATE_MACHINE)
        self._current, self._current_id = await self._current_of(machine)
        automatic = await self._add(machine, "AutomaticModeStateMachine", AUTOMATIC_MODE)
        self._mode, self._mode_id = await self._current_of(automatic)
        if self._orders is not None:
            await self._orders.add(Nodes(system, machine, automatic), self._theirs, self._ours)

    async def _current_of(self, machine: Node) -> tuple[Node, Node]:
        """Return the variables that every state machine has by its base type: the state, and its node's id."""
        current = await machine.get_child("0:CurrentState")
        return current, await current.get_child("0:Id")

    async def _add_recipe(self, system: Node) -> None:
        management = await self._add(system, "RecipeManagement", RECIPE_MANAGEMENT)
        recipes = await self._add(management, "Recipes", RECIPE_FOLDER)
        about = self._about
        for each in about.recipes or (about.recipe,):
            recipe = await self._add(recipes, each, RECIPE, self._ours)
            await recipe.add_property(self._new_id(), self._their_name("InternalId"), each)
            bundle = about.bundle_id if each == about.recipe else ""
            self._bundles[each] = await recipe.add_property(self._new_id(), self._their_name("Bundle"), bundle)
        self._in_force = await management.add_variable(self._new_id(), self._our_name("RecipeInForce"), about.recipe)
        if self._orders is not None:
            await self._orders.add_recipe(management, self._theirs, self._ours)

    async def _add_results(self, system: Node) -> None:
        management = await self._add(system, "ResultManagement", RESULT_MANAGEMENT)
        results = await self._add(management, "Results", RESULT_FOLDER)
        self._latest = await results.add_variable(self._new_id(), self._our_name("LatestResult"), self._structure({}))
        await management.add_method(
            self._new_id(),
            self._their_name("GetResultById"),
            self._get_result,
            [ua.VariantType.String, ua.VariantType.Int32],
            [ua.VariantType.UInt32, ua.VariantType.ExtensionObject, ua.VariantType.Int32],
        )
        await management.add_method(
            self._new_id(),
            self._our_name("GetResultsAfter"),
            self._get_results_after,
            [ua.VariantType.UInt64, ua.VariantType.UInt32],
            [ua.VariantType.ExtensionObject],
        )

    async def _get_result(self, _parent: ua.NodeId, result_id: ua.Variant, _timeout: ua.Variant) -> list[ua.Variant]:
        """Method: resultId, timeout -> resultHandle, result, error: -1 for a result that is not known any more."""
        fields = self._results.get(result_id.Value)
        return [
            ua.Variant(0, ua.VariantType.UInt32),
            ua.Variant(self._structure(fields or {}), ua.VariantType.ExtensionObject),
            ua.Variant(_NOT_FOUND if fields is None else 0, ua.VariantType.Int32),
        ]

    async def _get_results_after(
        self, _parent: ua.NodeId, position: ua.Variant, most: ua.Variant
    ) -> list[ua.Variant] | ua.StatusCode:
        """Method: position, most -> the results behind it in the ledger, in order: what a client missed while away."""
        limit = max(1, min(most.Value, self._kept))
        after = min(position.Value, LAST_POSITION)
        try:
            reports = await asyncio.to_thread(self._earlier, after, limit)
        except DatabaseError:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadResourceUnavailable))
        results = [self._structure(result_fields(report)) for report in reports]
        return [ua.Variant(results, ua.VariantType.ExtensionObject, is_array=True)]

    def _earlier(self, after: int, limit: int) -> Sequence[Report]:
        return () if self._about.earlier is None else self._about.earlier.reports(after, limit)

    # ---- small things

    def _structure(self, fields: dict[str, Any]) -> Any:
        structure: Any = vars(ua)["InspectionResultDataType"]()
        for name, value in fields.items():
            setattr(structure, name, value)
        return structure

    async def _add(self, parent: Node, name: str, kind: int, namespace: int | None = None) -> Node:
        browse_name = ua.QualifiedName(name, self._theirs if namespace is None else namespace)
        node: Node = await parent.add_object(
            self._new_id(), browse_name, self._types[kind].nodeid, instantiate_optional=False
        )
        return node

    async def _write_state(self, current: Node, identity: Node, name: str, number: int) -> None:
        await current.write_value(ua.LocalizedText(name))
        await identity.write_value(self._their_id(number) if number else ua.NodeId())

    async def _say_changed(self, before: str, after: str) -> None:
        self._state_changed.event.FromState, self._state_changed.event.ToState = before, after
        await self._state_changed.trigger(message=f"{before or 'no state'} to {after}")

    def _their_id(self, number: int) -> ua.NodeId:
        return ua.NodeId(ua.Int32(number), ua.Int16(self._theirs))

    def _new_id(self) -> ua.NodeId:
        """An id in our namespace, which the server chooses."""
        return ua.NodeId(NamespaceIndex=ua.Int16(self._ours))

    def _our_name(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self._ours)

    def _their_name(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self._theirs)


def result_fields(report: Report) -> dict[str, Any]:
    """Return a part's result by the names of the specification, and then by ours."""
    record = report.record
    probability = record.defect_probability
    return {
        "ResultId": str(record.part_id),
        "HasTransferableDataOnFile": False,
        "IsPartial": False,
        "IsSimulated": report.simulated,
        "ResultState": _ENDED_WELL,
        "PartId": str(record.part_id),
        "InternalRecipeId": record.recipe,
        "InternalConfigurationId": record.bundle_id,
        "JobId": str(record.run_id),
        "CreationTime": record.completed_at or record.triggered_at,
        "Outcome": str(record.outcome),
        "Reasons": "; ".join(record.reasons),
        "DefectClass": record.label or "",
        "DefectProbability": NO_PROBABILITY if probability is None else probability,
        "Trigger": record.trigger,
        "Position": report.position,
    }
