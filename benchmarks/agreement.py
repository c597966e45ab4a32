"""Does the line say what the desk said? `inspector evaluate` and `inspector station run` on the same pictures.

    python -m benchmarks.agreement --bundle BUNDLE --dataset DATASET --split val --json FILE

Both commands run as a user would run them. Rows must equal pictures, and each probability must be the same double.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from db.engine import open_engine
from db.queries import records, runs
from inspector.dataset import SPLITS, read_dataset
from inspector.values import InspectionRecord


def main() -> None:
    parser = report.arguments("verdicts of evaluate and of the station on the same pictures")
    parser.add_argument("--bundle", type=Path, required=True, help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("--dataset", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--split", choices=SPLITS, default="val", help="which rows of the index")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report.write(compare(args.bundle, args.dataset, args.split, Path(scratch)), args.json)


def compare(bundle: Path, dataset: Path, split: str, scratch: Path) -> report.Figures:
    """Run both commands and count where they differ."""
    desk = _evaluate(bundle, dataset, split, scratch)
    line = _station(bundle, dataset, split, scratch)
    pairs = [(desk[part.source], part) for part in line if part.source in desk]
    return {
        "rows_without_a_picture": sum(part.source not in desk for part in line),
        "pictures_without_a_row": len(set(desk) - {part.source for part in line}),
        "verdicts_that_differ": sum(row["outcome"] != part.outcome for row, part in pairs),
        "probabilities_that_differ": sum(
            float(row["defect_probability"]) != part.defect_probability for row, part in pairs
        ),
        "classes_that_differ": sum(row["predicted"] != part.label for row, part in pairs),
        "pictures": len(desk),
        "rows": len(line),
    }


def _evaluate(bundle: Path, dataset: Path, split: str, scratch: Path) -> dict[str, dict[str, str]]:
    parts = scratch / "parts.csv"
    _inspector("evaluate", str(bundle), str(dataset), "--split", split, "--parts", str(parts))
    with parts.open(newline="") as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


def _station(bundle: Path, dataset: Path, split: str, scratch: Path) -> list[InspectionRecord]:
    rows = read_dataset(dataset).rows
    names = scratch / "names.txt"
    names.write_text("".join(f"{row.name}\n" for row in rows if row.split == split))
    station = {"name": "agreement", "folder": str(scratch / "station"), "bundle": str(bundle.absolute())}
    camera = {"kind": "folder", "path": str(dataset.absolute()), "names": str(names)}
    config = scratch / "station.toml"
    config.write_text(_toml({"station": station, "camera": camera}))
    _inspector("station", "run", str(config))
    engine = open_engine(f"sqlite:///{scratch / 'station' / 'ledger.sqlite'}")
    with engine.connect() as connection:
        found = [part for run in runs(connection) for part in records(connection, run.run_id)]
    engine.dispose()
    return found


def _toml(tables: dict[str, dict[str, str]]) -> str:
    lines = (
        line
        for name, table in tables.items()
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    )
    return "\n".join(lines) + "\n"


def _inspector(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "inspector.cli", *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
