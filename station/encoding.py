"""Pictures of judged views on their way to the disk."""

from __future__ import annotations

import queue
import threading
from uuid import UUID

import cv2

from db.images import ImageStore, StoredImage
from inspector.errors import StorageFault
from inspector.values import Image
from station.messages import FromVision, ImageFailed, ImageStored
from station.pipe import LineGone, Pipe
from station.scheduling import this_thread_last

_IMAGES_WAITING = 8
_JPEG = (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 95))
_PNG = (".png", (cv2.IMWRITE_PNG_COMPRESSION, 1))


class JudgedImages:
    """Pictures of views that were judged, until the line has the part's verdict: at most `room`, the oldest goes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._images: dict[tuple[UUID, str], Image] = {}

    def put(self, part_id: UUID, camera: str, image: Image) -> None:
        if len(self._images) >= self._room:
            del self._images[next(iter(self._images))]
        self._images[part_id, camera] = image

    def take(self, part_id: UUID, camera: str) -> Image | None:
        return self._images.pop((part_id, camera), None)


class Encoder:
    """The encode thread: pictures to content-addressed files, off the hot path.

    The queue is bounded; when it is full, `put` waits: a record is never dropped for speed.
    """

    def __init__(self, pipe: Pipe, store: ImageStore, image_format: str) -> None:
        self._pipe = pipe
        self._store = store
        self._format = _PNG if image_format == "png" else _JPEG
        self._queue: queue.Queue[tuple[UUID, str, Image] | None] = queue.Queue(_IMAGES_WAITING)
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def __enter__(self) -> Encoder:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put(None)
        self._thread.join(5.0)

    def put(self, part_id: UUID, camera: str, image: Image) -> None:
        self._queue.put((part_id, camera, image))

    def _run(self) -> None:
        this_thread_last()
        while (waiting := self._queue.get()) is not None:
            part_id, camera, image = waiting
            try:
                answer: FromVision = ImageStored(part_id, camera, self._store_image(image))
            except (StorageFault, cv2.error) as error:
                answer = ImageFailed(part_id, camera, str(error))
            try:
                self._pipe.send(answer)
            except LineGone:
                return

    def _store_image(self, image: Image) -> StoredImage:
        suffix, parameters = self._format
        _, encoded = cv2.imencode(suffix, image, list(parameters))
        return self._store.put(encoded.tobytes(), suffix)
