"""The fault campaign: one station, one line of numbered parts, hundreds of seeded faults of every kind.

    python -m benchmarks.faults --faults 500 --seed 0 --json FILE

After each fault the station has to come back, and every part since the one before is held against the truth: its
picture carries its number, and what the network says of it is computed again. At the end a subscriber's account is held
against the ledger. Kinds that this machine cannot do are left out, and named.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from benchmarks.faulty import ORDERS, make_pictures, number_of, picture
from benchmarks.peers import Listener, Mosquitto, free_port, mosquitto
from benchmarks.plc import Plc
from benchmarks.sabotage import FAULTS, NotDone, Site, faketime, small_disk
from db.engine import open_engine
from db.images import ImageStore
from db.queries import open_count
from db.records import inspection_from_rows
from db.tables import FINDINGS, INSPECTIONS, OUTBOX
from inspector.bundle import load_bundle
from inspector.errors import DatabaseError, StorageFault
from inspector.inspection import Inspector
from inspector.preprocess import decode_image
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings
from inspector.values import Frame, InspectionRecord, Outcome

RATE_HZ = 10.0
STATION = "faults"
_RECOVERS_S = 180.0
_PARTS_AFTER = 5
_CLOSE = 1e-5

INVARIANTS = (
    "parts_without_a_row",
    "parts_doubled",
    "images_under_the_wrong_row",
    "passes_not_truly_inspected",
    "rows_without_reason",
    "not_recovered",
)


@dataclass
class Account:
    """What was found so far, by invariant, and how many parts were looked at."""

    broken: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    done: int = 0
    """Faults that came about."""
    position: int = 0
    next_number: int = 0

    def take(self, part: InspectionRecord, truth: Truth) -> None:
        """Hold one part, in the order of the openings, against the truth."""
        self.broken["parts_doubled"] += part.sequence < self.next_number
        self.broken["parts_without_a_row"] += max(0, part.sequence - self.next_number)
        self.next_number = max(self.next_number, part.sequence + 1)
        self.outcomes[str(part.outcome)] += 1
        self.broken["images_under_the_wrong_row"] += truth.is_of_another(part)
        self.broken["rows_without_reason"] += part.outcome is not Outcome.PASS and not part.reasons
        self.broken["passes_not_truly_inspected"] += part.outcome is Outcome.PASS and not truth.passes(part)


class Truth:
    """What a part's picture is, and what the network says of it when nothing hurts it."""

    def __init__(self, bundle: Path, images: Path) -> None:
        settings = RuntimeSettings(threads=1)
        self._inspector = Inspector(load_bundle(bundle), Recipe(runtime=settings))
        self._images = images

    def passes(self, part: InspectionRecord) -> bool:
        frame = Frame(picture(part.sequence), "truth", part.sequence, datetime.now(UTC), "")
        verdict = self._inspector.inspect([frame]).verdict
        if verdict.outcome is not Outcome.PASS or verdict.defect_probability is None or not part.views:
            return False
        return abs((part.defect_probability or 0.0) - verdict.defect_probability) < _CLOSE

    def is_of_another(self, part: InspectionRecord) -> bool:
        """Whether the part's image is not there, or shows another part; one that was looked at is taken away."""
        if part.image_sha256 is None:
            return False
        try:
            content = ImageStore(self._images).read(part.image_sha256)
        except StorageFault:
            return True
        for file in self._images.rglob(f"{part.image_sha256}.*"):
            file.unlink()
        return number_of(decode_image(content, part.image_sha256)) != part.sequence


@dataclass(frozen=True, slots=True)
class Done:
    """One fault of the campaign, and how long the station took to judge parts again."""

    kind: str
    recovered_s: float


def run_campaign(folder: Path, bundle: Path, faults: int, seed: int) -> dict[str, float | int | str]:
    """Do so many faults to a station; return the figures, and print a table of them by kind."""
    chance = random.Random(seed)
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # a controller that is killed is no news
    with (
        _site(folder, bundle) as (site, skipped),
        Listener(site.broker.port, f"open-inspector/{STATION}/part") as heard,
    ):
        kinds = [kind for kind in FAULTS if kind not in skipped]
        account, done = Account(), []
        truth = Truth(site.bundle, site.disk / "station" / "images")
        site.start()
        _await_parts(site, account, truth, 2 * _PARTS_AFTER)
        for kind in _plan(kinds, faults, chance):
            time.sleep(chance.uniform(0, 0.5))
            with suppress(NotDone):
                FAULTS[kind](site, chance)
                account.done += 1
            done.append(Done(kind, _recover(site, account, truth)))
            told = f"{len(_first_heard(heard))} of {account.outcomes.total()} told"
            print(f"{len(done)}/{faults} {kind}: {done[-1].recovered_s:.1f} s, {told}, {_broken(account)}", flush=True)
        _finish(site, account, truth, heard)
        peers = _told(site, heard)
    print(table(done))
    return _figures(account, done, peers, skipped, site.starts)


def table(done: Sequence[Done]) -> str:
    """Faults by kind, with the median and the longest time until parts were judged again."""
    lines = [f"{'fault':<24} {'times':>5} {'median s':>9} {'longest s':>9}"]
    for kind in dict.fromkeys(each.kind for each in done):
        times = sorted(each.recovered_s for each in done if each.kind == kind)
        lines.append(f"{kind:<24} {len(times):>5} {times[len(times) // 2]:>9.1f} {times[-1]:>9.1f}")
    return "\n".join(sorted(lines[1:]) and [lines[0], *sorted(lines[1:])])


def _plan(kinds: Sequence[str], faults: int, chance: random.Random) -> list[str]:
    """All kinds equally often, in an order that the seed shuffles anew each time."""
    plan: list[str] = []
    while len(plan) < faults:
        plan += chance.sample(list(kinds), len(kinds))
    return plan[:faults]


@contextmanager
def _site(folder: Path, bundle: Path) -> Iterator[tuple[Site, list[str]]]:
    """Lay out a station with its peers; yield it, and the kinds of faults that this machine cannot do."""
    if mosquitto() is None:
        raise SystemExit("the campaign needs a broker: apt-get install mosquitto")
    with ExitStack() as stack:
        mounted = stack.enter_context(small_disk(folder / "disk"))
        broker = stack.enter_context(Mosquitto(folder / "mosquitto", free_port()))
        plc = stack.enter_context(Plc(free_port()))
        (folder / "orders").mkdir()
        make_pictures(folder / "orders")
        os.environ[ORDERS] = str(folder / "orders")
        (folder / "clock").write_text("+0")
        copy = folder / "bundles" / load_bundle(bundle).id
        shutil.copytree(load_bundle(bundle).path, copy)
        port = free_port()
        library = faketime()
        config = _write_config(folder, copy, broker.port, plc.port, port)
        site = Site(folder, config, copy, broker, plc, f"opc.tcp://127.0.0.1:{port}", library)
        skipped = [] if mounted else ["disk_full"]
        skipped += [] if library else ["clock_an_hour_on", "clock_an_hour_back"]
        try:
            yield site, skipped
        finally:
            site.kill()


def _write_config(folder: Path, bundle: Path, mqtt: int, modbus: int, opcua: int) -> Path:
    (folder / "recipe.toml").write_text('name = "faults"\n[runtime]\nkind = "campaign"\nthreads = 1\n')
    config = folder / "station.toml"
    config.write_text(
        f'[station]\nname = "{STATION}"\nfolder = "disk/station"\nbundle = "{bundle}"\nrecipe = "recipe.toml"\n'
        'keep_images = "all"\nhang_s = 5.0\nrestarts = 1000\nrealtime = false\ndeadline_ms = 1500\n'
        f'[camera]\nkind = "campaign"\nfeatures = {{ rate_hz = {RATE_HZ} }}\n'
        f'[[output]]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {mqtt}\npause_s = 0.2\nlongest_pause_s = 1.0\n'
        f'timeout_s = 3.0\n[[output]]\nkind = "modbus"\nhost = "127.0.0.1"\nport = {modbus}\n'
        f'[[output]]\nkind = "opcua"\nport = {opcua}\n'
    )
    return config


# ---- recovery and the account


def _recover(site: Site, account: Account, truth: Truth) -> float:
    """Start the station again where it has ended, wait until it judges parts, and take the account."""
    began_s = time.monotonic()
    _take_account(site, account, truth)
    if not _await_parts(site, account, truth, _PARTS_AFTER):
        account.broken["not_recovered"] += 1
        site.kill()
        site.start()
    return time.monotonic() - began_s


def _await_parts(site: Site, account: Account, truth: Truth, judged: int) -> bool:
    """Wait until so many further parts were judged; a station that has ended is started again."""
    until_s, before = time.monotonic() + _RECOVERS_S, _judged(account)
    while time.monotonic() < until_s:
        if not site.is_up():
            site.start()
        _take_account(site, account, truth)
        if _judged(account) >= before + judged:
            return True
        time.sleep(0.1)
    return False


def _take_account(site: Site, account: Account, truth: Truth) -> None:
    for part in _next_parts(site, account):
        account.take(part, truth)


def _judged(account: Account) -> int:
    return account.outcomes.total() - account.outcomes[str(Outcome.NOT_INSPECTED)]


def _next_parts(site: Site, account: Account) -> list[InspectionRecord]:
    """The completed parts behind the account's place, up to the first that is open."""
    ledger = site.disk / "station" / "ledger.sqlite"
    if not ledger.exists():
        return []
    try:
        engine = open_engine(ledger)
    except DatabaseError:  # it is just being made
        return []
    parts: list[InspectionRecord] = []
    with engine.connect() as connection:
        joined = OUTBOX.join(INSPECTIONS, INSPECTIONS.c.part_id == OUTBOX.c.part_id)
        query = select(OUTBOX.c.position, INSPECTIONS).select_from(joined).where(OUTBOX.c.position > account.position)
        for row in connection.execute(query.order_by(OUTBOX.c.position)).mappings().all():
            if row["outcome"] is None:
                break
            findings = select(FINDINGS).where(FINDINGS.c.part_id == row["part_id"]).order_by(FINDINGS.c.view)
            parts.append(inspection_from_rows(row, connection.execute(findings).mappings()))
            account.position = row["position"]
    engine.dispose()
    return parts


def _finish(site: Site, account: Account, truth: Truth, listener: Listener) -> None:
    """Stop the station as a person would, once its peers know nearly all, and take the rest of the account.

    A station that ends gives its peers a few seconds; what they then do not know they are told in the next run.
    """
    until_s = time.monotonic() + _RECOVERS_S
    while time.monotonic() < until_s and len(_first_heard(listener)) < account.outcomes.total() - RATE_HZ:
        _await_parts(site, account, truth, 1)
    site.process.terminate()
    site.process.wait(120)
    _take_account(site, account, truth)
    engine = open_engine(site.disk / "station" / "ledger.sqlite")
    with engine.connect() as connection:
        account.broken["open_rows"] = open_count(connection)
    engine.dispose()


def _told(site: Site, listener: Listener) -> dict[str, int]:
    """Hold what a subscriber heard against the ledger: all of it, nothing else, in order, repeats known by their id."""
    engine = open_engine(site.disk / "station" / "ledger.sqlite")
    with engine.connect() as connection:
        joined = OUTBOX.join(INSPECTIONS, INSPECTIONS.c.part_id == OUTBOX.c.part_id)
        ids = select(OUTBOX.c.part_id).select_from(joined).order_by(OUTBOX.c.position)
        expected = [str(part_id) for part_id in connection.execute(ids).scalars()]
    engine.dispose()
    until_s = time.monotonic() + 30
    while len(first := _first_heard(listener)) < len(expected) and time.monotonic() < until_s:
        time.sleep(0.2)
    inside = set(expected)
    known = [part for part in first if part in inside]
    in_order = [part for part in expected if part in set(first)]
    return {
        "told_never": len(inside - set(first)),
        "told_out_of_order": sum(a != b for a, b in zip(known, in_order, strict=True)),
        "told_and_not_in_the_ledger": len(first) - len(known),
        "told_again_with_the_same_id": len(listener.heard) - len(first),
    }


def _first_heard(listener: Listener) -> list[str]:
    return list(dict.fromkeys(json.loads(payload)["part_id"] for _, payload, _ in list(listener.heard)))


def _broken(account: Account) -> str:
    broken = {name: count for name, count in account.broken.items() if count}
    return ", ".join(f"{name} {count}" for name, count in broken.items()) or "all holds"


def _figures(
    account: Account, done: Sequence[Done], told: Mapping[str, int], skipped: Sequence[str], starts: int
) -> dict[str, float | int | str]:
    figures: dict[str, float | int | str] = {name: account.broken[name] for name in (*INVARIANTS, "open_rows")}
    figures |= told
    figures |= {"faults": account.done, "faults_that_did_not_come_about": len(done) - account.done}
    figures |= {"parts": account.outcomes.total(), "starts": starts}
    figures |= {f"parts_{name.lower()}": account.outcomes[str(name)] for name in Outcome}
    figures |= {f"faults_{kind}": count for kind, count in sorted(Counter(each.kind for each in done).items())}
    figures |= {"longest_recovery_s": round(max(each.recovered_s for each in done), 1)}
    return {**figures, "left_out": ", ".join(skipped) or "none"}
