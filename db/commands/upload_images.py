"""`inspector db upload-images`: copy a station's images to a store that others read."""

from __future__ import annotations

import argparse
from pathlib import Path

from db.commands import add_database, opened
from inspector.errors import StorageFault

HELP = "copy the images that are not there yet to an object store, such as s3://BUCKET/FOLDER"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_database(parser)
    parser.add_argument("--images", metavar="DIR", type=Path, required=True, help="root of the station's image store")
    parser.add_argument("--to", metavar="URL", required=True, help="where they go")


def run(args: argparse.Namespace) -> int:
    from db.images import ImageStore
    from db.remote_images import open_images, upload_images

    there = open_images(args.to)
    with opened(args) as engine:
        uploaded = upload_images(engine, ImageStore(args.images), there)
    print(f"{uploaded.count} images uploaded to {args.to}")
    if uploaded.unreadable:
        raise StorageFault(f"{len(uploaded.unreadable)} images not uploaded, the first: {uploaded.unreadable[0]}")
    return 0
