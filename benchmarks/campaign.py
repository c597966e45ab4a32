"""The fault campaign: one station, one line of numbered parts, hundreds of seeded faults of every kind.

    python -m benchmarks.faults --faults 500 --seed 0 --json FILE [--continue] [--minutes M]

After each fault the station has to come back, and every part since the one before is held against the truth: its
picture carries its number, and what the network says of it is computed again. Then every subscriber has to have those
parts: all of them, in the line's order, each once when repeats of its id are taken away. The controller is told at once
or never, so of it only what it was told counts. Kinds that this machine cannot do are left out, and named. A campaign
goes on where it was stopped: its pieces are added up (benchmarks.pieces).
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faulty import ORDERS, make_pictures
from benchmarks.hearing import Hearing, acted
from benchmarks.peers import Mosquitto, free_port, mosquitto
from benchmarks.pieces import BOUND, ENDED, Figures, Pieces, at_most_percent
from benchmarks.plc import Plc
from benchmarks.sabotage import FAULTS, NotDone, Site, faketime, small_disk
from benchmarks.subscribers import OpcUaSubscriber, broker_subscriber, controller_parts, web_server
from benchmarks.truth import Account, Truth, ledger, newest, next_parts, part_ids
from db.queries import open_count
from inspector.bundle import load_bundle
from inspector.values import Outcome

RATE_HZ = 4.0
STATION = "faults"
_STARTS_S, _RECOVERS_S, _TOLD_S = 1800.0, 600.0, 300.0
"""On a machine with other work the processor that a start takes may come in many minutes."""
_PARTS_AFTER = 5

Keep = Callable[[Figures], None]

INVARIANTS = (
    "parts_without_a_row",
    "parts_doubled",
    "images_under_the_wrong_row",
    "passes_not_truly_inspected",
    "rows_without_reason",
    "not_recovered",
    "not_ended",
)


@dataclass(frozen=True, slots=True)
class Done:
    """One fault of the campaign, how long the station took to judge parts again, and what was wrong until then."""

    kind: str
    came_about: bool
    recovered_s: float
    told_s: float
    """Until every subscriber had the parts of then, from the recovery on."""
    parts: int
    wrong: Mapping[str, int]
    """What of it was wrong, and what was told again with the same id."""

    def __str__(self) -> str:
        wrong = ", ".join(f"{name} {count}" for name, count in self.wrong.items()) or "all holds"
        came_about = "" if self.came_about else " did not come about"
        times = f"{self.recovered_s:.1f} s, told in {self.told_s:.1f} s"
        return f"{self.kind}{came_about}: {times}, {self.parts} parts, {wrong}"


def run_campaign(
    folder: Path,
    bundle: Path,
    faults: int,
    pieces: Pieces,
    keep: Keep = lambda _: None,
    until_s: float = float("inf"),
) -> Figures:
    """Do the faults of a plan that are left to a station; return this piece's figures, and print a table by kind.

    `keep` is given the figures so far after every fault: a campaign that is cut short has not been for nothing. Behind
    `until_s` (time.monotonic()) no further fault is begun.
    """
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # a controller that is killed is no news
    with _site(folder, bundle) as (site, skipped), _subscribers(site) as hearings:
        kinds = [kind for kind in FAULTS if kind not in skipped and (not pieces.only or kind in pieces.only)]
        run = _Run(site, Account(), Truth(site.bundle, site.station / "images"), hearings, skipped)
        site.start()
        if not _await_parts(run, 2 * _PARTS_AFTER, _STARTS_S):
            raise SystemExit(f"the station does not judge parts within {_STARTS_S:g} s of its start")
        run.settle()
        for number, kind in enumerate(pieces.plan(kinds, faults)):
            if time.monotonic() > until_s:
                break
            run.do(kind, pieces.chance(number))
            keep(run.figures())
            print(f"{pieces.faults + len(run.done)}/{faults} {run.done[-1]}", flush=True)
        run.finish()
        print(table(run.done))
        return run.figures() | {ENDED: 1}


class _Run:
    """A campaign under way."""

    def __init__(
        self, site: Site, account: Account, truth: Truth, hearings: Mapping[str, Hearing], skipped: Sequence[str]
    ) -> None:
        self.site, self.account, self.truth, self.hearings, self.skipped = site, account, truth, hearings, skipped
        self.done: list[Done] = []
        self._held = 0
        """So many of the account's parts were held against what the subscribers heard."""

    def do(self, kind: str, chance: random.Random) -> None:
        """Do one fault, wait until the station has recovered and all know of it, and write down what was wrong."""
        before, parts = Counter(self.account.broken), len(self.account.ids)
        time.sleep(chance.uniform(0, 0.5))
        came_about = True
        try:
            FAULTS[kind](self.site, chance)
        except NotDone as why:
            came_about = False
            print(why, flush=True)
        recovered_s = _recover(self)
        told_s = self.settle()
        wrong = Counter(self.account.broken)
        wrong.subtract(before)
        self.done.append(Done(kind, came_about, recovered_s, told_s, len(self.account.ids) - parts, dict(+wrong)))

    def settle(self) -> float:
        """Wait until every subscriber has the parts of now, and hold what they heard against the line's order."""
        began_s = time.monotonic()
        expected = self.account.ids[self._held :]
        self._held = len(self.account.ids)
        while time.monotonic() - began_s < _TOLD_S and not all(
            hearing.has_heard(expected) for hearing in self.hearings.values()
        ):
            if not self.site.is_up():
                self.site.start()
            time.sleep(0.1)
        for name, hearing in self.hearings.items():
            for what, count in hearing.hold_against(expected).items():
                self.account.broken[f"{name}_{what}"] += count
        return time.monotonic() - began_s

    def finish(self) -> None:
        """Stop the station as a person would, and take the rest of the account."""
        self.site.process.terminate()
        try:
            self.site.process.wait(_RECOVERS_S)
        except subprocess.TimeoutExpired:
            self.account.broken["not_ended"] += 1
            self.site.kill()
        _take_account(self)
        with ledger(self.site.station) as connection:
            self.account.broken["open_rows"] = 0 if connection is None else open_count(connection)

    def figures(self) -> Figures:
        account, done, came_about = self.account, self.done, sum(each.came_about for each in self.done)
        figures: Figures = {name: account.broken[name] for name in (*INVARIANTS, "open_rows")}
        figures |= self._of_subscribers()
        figures |= {"faults": came_about, "faults_that_did_not_come_about": len(done) - came_about}
        figures |= {"parts": len(account.ids), "parts_held_against_subscribers": self._held, "starts": self.site.starts}
        figures |= {f"parts_{name.lower()}": account.outcomes[str(name)] for name in Outcome}
        figures[BOUND] = round(at_most_percent(len(account.ids)), 4)
        figures["longest_recovery_s"] = round(max((each.recovered_s for each in done), default=0.0), 1)
        for kind in sorted({each.kind for each in done}):
            figures |= _of_kind(kind, [each for each in done if each.kind == kind])
        return {**figures, "left_out": ", ".join(self.skipped) or "none", ENDED: 0}

    def _of_subscribers(self) -> Figures:
        account, ledger_ids, figures = self.account, part_ids(self.site.station), Figures()
        for name, hearing in self.hearings.items():
            figures |= {
                f"{name}_never_told": hearing.never(account.ids[: self._held]),
                f"{name}_out_of_order": hearing.out_of_order,
                f"{name}_not_in_the_ledger": hearing.unknown(set(ledger_ids)),
                f"{name}_not_told_within_{_TOLD_S:g}_s": hearing.late,
                f"{name}_repeats_known_by_their_id": hearing.repeats,
            }
        written = controller_parts(self.site.plc)
        let_go = {each.part_id for each in written if each.let_go}.intersection(account.ids)
        figures |= {f"modbus_{what}": n for what, n in acted(written, ledger_ids).items()}
        return figures | {"modbus_let_go_and_row_not_pass": len(let_go - account.passed)}


def _of_kind(kind: str, done: Sequence[Done]) -> Figures:
    wrong: Counter[str] = Counter()
    for each in done:
        wrong.update(each.wrong)
    repeated = sum(count for name, count in wrong.items() if name.endswith("_repeated"))
    return {
        f"{kind}_faults": sum(each.came_about for each in done),
        f"{kind}_parts": sum(each.parts for each in done),
        **{f"{kind}_{name}": count for name, count in sorted(wrong.items()) if not name.endswith("_repeated")},
        f"{kind}_repeats": repeated,
        f"{kind}_longest_recovery_s": round(max(each.recovered_s for each in done), 1),
        f"{kind}_longest_until_told_s": round(max(each.told_s for each in done), 1),
    }


def table(done: Sequence[Done]) -> str:
    """Faults by kind: how many, on how many parts, what was wrong, and how long until all was well."""
    lines = [f"{'fault':<24} {'times':>5} {'parts':>6} {'wrong':>6} {'median s':>9} {'longest s':>9} {'told s':>7}"]
    for kind in sorted({each.kind for each in done}):
        of_kind = [each for each in done if each.kind == kind]
        times = sorted(each.recovered_s for each in of_kind)
        wrong = sum(count for each in of_kind for name, count in each.wrong.items() if not name.endswith("_repeated"))
        lines.append(
            f"{kind:<24} {len(times):>5} {sum(each.parts for each in of_kind):>6} {wrong:>6} "
            f"{times[len(times) // 2]:>9.1f} {times[-1]:>9.1f} {max(each.told_s for each in of_kind):>7.1f}"
        )
    return "\n".join(lines)


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
        port, web_port = free_port(), free_port()
        library = faketime()
        config = _write_config(folder, copy, broker.port, plc.port, port, web_port)
        site = Site(folder, config, copy, broker, plc, f"opc.tcp://127.0.0.1:{port}", web_port, library)
        skipped = [] if mounted else ["disk_full"]
        skipped += [] if library else ["clock_an_hour_on", "clock_an_hour_back"]
        try:
            yield site, skipped
        finally:
            site.kill()


@contextmanager
def _subscribers(site: Site) -> Iterator[dict[str, Hearing]]:
    """Yield what each subscriber hears, by its output; none of them is hurt by what befalls the station's clock."""
    with (
        broker_subscriber(site.broker.port, f"open-inspector/{STATION}/part") as broker,
        web_server(site.web_port) as web,
        OpcUaSubscriber(f"{site.opcua_url}/open-inspector/", STATION) as opcua,
    ):
        yield {"mqtt": Hearing(broker), "webhook": Hearing(web), "opcua": Hearing(opcua.ids)}


def _write_config(folder: Path, bundle: Path, mqtt: int, modbus: int, opcua: int, web: int) -> Path:
    (folder / "recipe.toml").write_text('name = "faults"\n[runtime]\nkind = "campaign"\nthreads = 1\n')
    config = folder / "station.toml"
    config.write_text(
        f'[station]\nname = "{STATION}"\nfolder = "disk/station"\nbundle = "{bundle}"\nrecipe = "recipe.toml"\n'
        'keep_images = "all"\nhang_s = 5.0\nrestarts = 1000\nrealtime = false\ndeadline_ms = 1500\n'
        f'[camera]\nkind = "campaign"\nfeatures = {{ rate_hz = {RATE_HZ} }}\n'
        f'[[output]]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {mqtt}\npause_s = 0.2\nlongest_pause_s = 1.0\n'
        f'timeout_s = 15.0\n[[output]]\nkind = "modbus"\nhost = "127.0.0.1"\nport = {modbus}\n'
        f'[[output]]\nkind = "opcua"\nport = {opcua}\ntimeout_s = 60.0\n'
        f'[[output]]\nkind = "webhook"\nurl = "http://127.0.0.1:{web}/"\ntimeout_s = 30.0\nlongest_pause_s = 1.0\n'
    )
    return config


# ---- recovery and the account


def _recover(run: _Run) -> float:
    """Start the station again where it has ended, wait until it judges parts, and take the account."""
    began_s = time.monotonic()
    if not _await_parts(run, _PARTS_AFTER):
        run.account.broken["not_recovered"] += 1
        run.site.kill()
        run.site.start()
    return time.monotonic() - began_s


def _await_parts(run: _Run, judged: int, limit_s: float = _RECOVERS_S) -> bool:
    """Wait until so many parts that come from now on were judged; a station that has ended is started again."""
    until_s, before = time.monotonic() + limit_s, newest(run.site.station)
    while time.monotonic() < until_s:
        if not run.site.is_up():
            run.site.start()
        _take_account(run)
        if len(run.account.judged) - bisect_right(run.account.judged, before) >= judged:
            return True
        time.sleep(0.1)
    return False


def _take_account(run: _Run) -> None:
    account = run.account
    for position, part in next_parts(run.site.station, account.position):
        account.take(part, run.truth)
        account.position = position
        if part.outcome is not Outcome.NOT_INSPECTED:
            account.judged.append(position)
