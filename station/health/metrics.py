"""`/metrics`: the station's counts in Prometheus' text format; docs/health.md has the names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from inspector.values import Outcome
from station.counts import BOUNDS_S, NO_REASON, Counts
from station.health.document import Health
from station.health.storage import DiskSight
from station.outputs.base import OutputState

PREFIX = "inspector_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""What every reader takes. The library could choose by `Accept`, and fails on one that is odd."""


def metrics_text(health: Health, streams: int, dropped: int, now_ns: int) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Moment([*_metrics(health, now_ns), *_stream_metrics(streams, dropped)]))
    return generate_latest(registry)


class _Moment:
    """What is collected is what there is; the library asks for a collector."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _metrics(health: Health, now_ns: int) -> Iterator[Metric]:
    status = health.snapshot.status
    yield _info(health)
    yield _gauge("line_may_run", "1 where the line may run", float(health.may_run))
    yield _device_states(health)
    yield _counter("triggers", "Parts triggered in this run", status.triggers)
    yield _parts(status.counts)
    yield _counter("challenge_parts", "Parts of known truth, which are in no other count of parts", status.challenges)
    yield _latency(status.counts)
    in_flight = status.triggers - status.accounted
    yield _gauge("parts_in_flight", "Parts triggered and not judged", max(0, in_flight))
    yield _gauge("ledger_waiting_rows", "Rows on their way to the disk", health.snapshot.waiting_rows)
    yield _counter("vision_restarts", "Restarts of vision processes", status.restarts)
    yield from _output_metrics(status.outputs)
    if status.unforwarded is not None:
        yield _gauge("plant_unforwarded_rows", "Rows not known to be in the plant", status.unforwarded)
    yield _gauge("drift_alarm", "1 while an alarm of the drift watch holds", float(status.has_drifted))
    yield from _disk_metrics(health.disk)
    age_s = max(0.0, (now_ns - health.snapshot.taken_ns) / 1e9)
    yield _gauge("snapshot_age_seconds", "Since the line process last said how it does", age_s)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, words, value=value)


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, words, value=value)


def _info(health: Health) -> Metric:
    watched = health.watched
    labels = {
        "station": watched.station,
        "recipe": watched.recipe,
        "bundle_id": watched.bundle_id,
        "version": watched.version,
    }
    metric = GaugeMetricFamily(PREFIX + "station_info", "What runs", labels=list(labels))
    metric.add_metric(list(labels.values()), 1)
    return metric


def _device_states(health: Health) -> Metric:
    words = "0 good, 1 maintenance required, 2 out of specification, 3 check function, 4 failure"
    metric = GaugeMetricFamily(PREFIX + "device_state", words, labels=["device"])
    for device in health.devices:
        metric.add_metric([device.called], int(device.state))
    return metric


def _parts(counts: Counts) -> Metric:
    """Every outcome is there from the beginning, so that a rate over it is defined."""
    metric = CounterMetricFamily(PREFIX + "parts", "Parts judged in this run", labels=["outcome", "reason"])
    at_rest = {(outcome, NO_REASON): 0 for outcome in Outcome}
    for (outcome, reason), count in sorted({**at_rest, **counts.parts}.items()):
        metric.add_metric([outcome.value, reason], count)
    return metric


def _latency(counts: Counts) -> Metric:
    bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(counts.latencies)), strict=True))
    words = "Trigger to verdict acted on"
    return HistogramMetricFamily(PREFIX + "latency_seconds", words, buckets=buckets, sum_value=counts.latency_sum_s)


def _output_metrics(outputs: Iterable[OutputState]) -> Iterator[Metric]:
    well = GaugeMetricFamily(PREFIX + "output_well", "1 where the output does its work", labels=["output"])
    waiting = GaugeMetricFamily(
        PREFIX + "output_waiting_parts", "Parts that the peer does not have yet", labels=["output"]
    )
    delivered = CounterMetricFamily(
        PREFIX + "output_delivered_parts", "Parts acted on, or told, in this run", labels=["output"]
    )
    missed = CounterMetricFamily(
        PREFIX + "output_missed_parts", "Parts not acted on in time, or refused", labels=["output"]
    )
    for output in outputs:
        well.add_metric([output.output], float(output.well))
        waiting.add_metric([output.output], output.waiting)
        delivered.add_metric([output.output], output.delivered)
        missed.add_metric([output.output], output.missed)
    yield from (well, waiting, delivered, missed)


def _disk_metrics(disk: DiskSight) -> Iterator[Metric]:
    if disk.fault is None:
        yield _gauge("disk_free_bytes", "Free to the station under its folder", disk.free_bytes)
        yield _gauge("disk_size_bytes", "Size of the disk under the station's folder", disk.size_bytes)


def _stream_metrics(streams: int, dropped: int) -> Iterator[Metric]:
    yield _gauge("event_streams", "Open streams of /events", streams)
    yield _counter("event_streams_dropped", "Readers of /events that did not read", dropped)
