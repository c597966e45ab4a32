"""Sparkplug B payloads (specification 3.0, chapter 6): the few fields that a node needs, as protocol buffers.

The schema is written down here and handed to the protobuf library, which encodes. What is left out (data sets,
templates, properties, metadata) is skipped by the library when somebody else sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from inspector.errors import PeerFault

Value = int | float | bool | str | None

INT64, UINT64, DOUBLE, BOOLEAN, STRING = 4, 8, 10, 11, 12
"""Data types of metrics, by the numbers of the specification."""
_VALUE_FIELDS = {INT64: "long_value", UINT64: "long_value", DOUBLE: "double_value", BOOLEAN: "boolean_value"}
_METRIC_FIELDS = (
    ("name", 1, "STRING"),
    ("alias", 2, "UINT64"),
    ("timestamp", 3, "UINT64"),
    ("datatype", 4, "UINT32"),
    ("is_historical", 5, "BOOL"),
    ("is_transient", 6, "BOOL"),
    ("is_null", 7, "BOOL"),
)
_METRIC_VALUES = (
    ("int_value", 10, "UINT32"),
    ("long_value", 11, "UINT64"),
    ("float_value", 12, "FLOAT"),
    ("double_value", 13, "DOUBLE"),
    ("boolean_value", 14, "BOOL"),
    ("string_value", 15, "STRING"),
    ("bytes_value", 16, "BYTES"),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One named value. `timestamp_ms` counts from 1970; `historical`: it was so before the node was born."""

    name: str
    datatype: int
    value: Value
    timestamp_ms: int
    historical: bool = False


def encode(metrics: Sequence[Metric], timestamp_ms: int, seq: int | None) -> bytes:
    """Return a payload; only a death certificate has no `seq`."""
    payload = _payload_class()()
    payload.timestamp = timestamp_ms
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        _fill(payload.metrics.add(), metric)
    encoded: bytes = payload.SerializeToString()
    return encoded


def decode(payload: bytes) -> tuple[list[Metric], int, int | None]:
    """Return metrics, timestamp and `seq` of a payload; raise PeerFault where it is none."""
    from google.protobuf.message import DecodeError

    message = _payload_class()()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise PeerFault(f"not a Sparkplug B payload ({error})") from error
    return (
        [_metric(each) for each in message.metrics],
        message.timestamp,
        message.seq if message.HasField("seq") else None,
    )


def _fill(field: Any, metric: Metric) -> None:
    field.name, field.timestamp, field.datatype = metric.name, metric.timestamp_ms, metric.datatype
    if metric.historical:
        field.is_historical = True
    if metric.value is None:
        field.is_null = True
    else:
        setattr(field, _VALUE_FIELDS.get(metric.datatype, "string_value"), metric.value)


def _metric(field: Any) -> Metric:
    chosen = field.WhichOneof("value")
    value = None if field.is_null or chosen is None else getattr(field, chosen)
    return Metric(field.name, field.datatype, value, field.timestamp, field.is_historical)


@cache
def _payload_class() -> Any:
    """Make the message class from the schema, once."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="open_inspector/sparkplug_b.proto", package="open_inspector.sparkplug", syntax="proto2"
    )
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for name, number, kind in _METRIC_FIELDS:
        _add(metric, name, number, kind)
    for name, number, kind in _METRIC_VALUES:
        _add(metric, name, number, kind).oneof_index = 0
    for name, number, kind in (("timestamp", 1, "UINT64"), ("seq", 3, "UINT64"), ("uuid", 4, "STRING")):
        _add(payload, name, number, kind)
    metrics = _add(payload, "metrics", 2, "MESSAGE")
    metrics.label, metrics.type_name = metrics.LABEL_REPEATED, ".open_inspector.sparkplug.Payload.Metric"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("open_inspector.sparkplug.Payload"))


def _add(message: Any, name: str, number: int, kind: str) -> Any:
    field = message.field.add(name=name, number=number)
    field.label, field.type = field.LABEL_OPTIONAL, getattr(field, f"TYPE_{kind}")
    return field
