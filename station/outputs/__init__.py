"""Outputs by kind. A missing protocol library fails when that output is asked for, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from inspector.documents import parse
from inspector.errors import ConfigError
from inspector.plugins import load_plugin
from station.outputs.acting import ActOutputs
from station.outputs.base import About, Output, OutputSettings, TakesOrders, Teller, TellSettings

if TYPE_CHECKING:
    from station.order_book import OrderBook

OUTPUTS = {
    "gate": "station.outputs.gate:GateOutput",
    "log": "station.outputs.log:LogOutput",
    "modbus": "station.outputs.modbus:ModbusOutput",
    "mqtt": "station.outputs.mqtt:MqttTeller",
    "opcua": "station.outputs.opcua:OpcUaTeller",
    "sparkplug": "station.outputs.sparkplug:SparkplugTeller",
    "webhook": "station.outputs.webhook:WebhookTeller",
}


class OutputFactory(Protocol):
    """An output class that acts: its settings model and its constructor."""

    Settings: type[OutputSettings]

    def __call__(self, settings: Any) -> Output: ...


class TellerFactory(Protocol):
    """An output class that tells: its settings model and its constructor. The module loads no protocol library."""

    Settings: type[TellSettings]

    def __call__(self, settings: Any, about: About) -> Teller: ...


def output_factory(kind: str) -> OutputFactory | TellerFactory:
    """Return the output class of `kind`; raise UnknownPlugin. `Settings.nature` says which of the two it is."""
    factory: OutputFactory | TellerFactory = load_plugin("inspector.outputs", kind, OUTPUTS)
    return factory


def outputs_settings(blocks: Mapping[str, Any] | Sequence[Any], source: str) -> tuple[OutputSettings, ...]:
    """Validate one output block, or several; raise ConfigError naming `source` and every field of the first bad one."""
    listed = [blocks] if isinstance(blocks, Mapping) else list(blocks)
    settings = tuple(_output_settings(block, source) for block in listed)
    doubled = [name for name, count in Counter(each.called for each in settings).items() if count > 1]
    if doubled:
        raise ConfigError(
            f"{source}: output: {doubled[0]!r} is the name of two outputs; expected `name` to tell them apart"
        )
    return settings


def act_outputs(
    settings: Sequence[OutputSettings], also: Sequence[Output] = (), book: OrderBook | None = None
) -> ActOutputs:
    """Make what acts on the line, of a configuration's outputs; `also` are told what they are told.

    Peers that may give orders give them to `book`.
    """
    made: list[Output] = [*also]
    for each in settings:
        if each.nature == "act":
            make: Any = output_factory(each.kind)
            output = make(each)
            if book is not None and isinstance(output, TakesOrders):
                output.take_orders(book)
            made.append(output)
    return ActOutputs(made)


def tell_settings(settings: Sequence[OutputSettings]) -> tuple[TellSettings, ...]:
    """Return the settings of what tells, of a configuration's outputs."""
    return tuple(each for each in settings if isinstance(each, TellSettings))


def make_teller(settings: TellSettings, about: About) -> Teller:
    make: Any = output_factory(settings.kind)
    teller: Teller = make(settings, about)
    return teller


def _output_settings(block: Any, source: str) -> OutputSettings:
    table = dict(block) if isinstance(block, Mapping) else {"kind": block}
    kind = parse(f"{source}: output", {"kind": table.get("kind", "log")}, OutputSettings, ConfigError).kind
    return parse(f"{source}: output", table, output_factory(kind).Settings, ConfigError)
