"""Cameras on their real SDKs: emulated Basler cameras, Aravis' GigE Vision camera, a GenTL producer, an RTSP stream."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from db.engine import open_engine
from db.queries import events
from inspector.errors import CameraError, CameraLost, ConfigError, FrameLost
from inspector.values import Frame, Outcome
from station.cameras import camera_factory, camera_settings
from station.cameras.base import Camera
from station.cameras.opencv import OpenCvCamera, OpenCvSettings
from station.checking import check_station
from station.config import StationConfig
from station.running import RunSummary, run_station
from tests.station.cameras import FAKE_GIGE, fake_gige, grabbed

HAS_PYLON = importlib.util.find_spec("pypylon") is not None
HAS_GENICAM = importlib.util.find_spec("harvesters") is not None
HAS_GIGE = importlib.util.find_spec("gi") is not None and shutil.which(FAKE_GIGE) is not None

pylon = pytest.mark.skipif(not HAS_PYLON, reason="pypylon is not installed: pip install 'open-inspector[pylon]'")
genicam = pytest.mark.skipif(
    not HAS_GENICAM, reason="harvesters is not installed: pip install 'open-inspector[genicam]'"
)
gige = pytest.mark.skipif(not HAS_GIGE, reason="PyGObject or aravis-tools is not installed (docs/cameras.md)")


def camera(kind: str, **block: object) -> Camera:
    settings = camera_settings({"kind": kind, **block}, "test.toml")
    return camera_factory(kind)(settings)


def numbers(told: list[Frame | CameraError]) -> list[int]:
    """The camera's own numbers of the frames that came with a picture."""
    return [int(each.source.removeprefix("frame ")) for each in told if isinstance(each, Frame)]


# ---- Basler, emulated


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "1")


BASLER = {"device": "0815-0000", "width_px": 320, "height_px": 240, "fps": 50.0}


@pylon
@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")
@pytest.mark.usefixtures("emulated")
class TestPylon:
    def test_settings_are_set_and_read_back_and_frames_numbered(self) -> None:
        with camera("pylon", **BASLER, exposure_us=5000, gain_db=3, pixel_format="BayerRG8") as basler:
            features = basler.features()
            told = grabbed(basler, 5)
        assert (features["ExposureTime"], features["Width"], features["PixelFormat"]) == (5000.0, 320, "BayerRG8")
        assert features["Gain"] == pytest.approx(3, abs=0.05)
        assert len(features) > 50
        assert numbers(told) == [0, 1, 2, 3, 4]
        assert {each.image.shape for each in told if isinstance(each, Frame)} == {(240, 320, 3)}

    def test_what_the_camera_refuses_is_named_all_at_once(self) -> None:
        with pytest.raises(ConfigError) as fault:
            camera("pylon", **{**BASLER, "width_px": 9000}, exposure_us=1e8, features={"NoSuch": 1}).__enter__()
        for words in ("width_px (Width): 9000 was asked for", "exposure_us", "NoSuch: 1 was asked for"):
            assert words in str(fault.value)

    def test_frames_that_fail_in_transfer_are_parts_without_a_picture(self) -> None:
        with camera("pylon", **BASLER, features={"ForceFailedBufferCount": 2}) as basler:
            basler.grab(2.0)
            basler._device._camera.ForceFailedBuffer.Execute()
            told = grabbed(basler, 20)
        failed = [each for each in told if isinstance(each, FrameLost)]
        assert len(failed) == 2
        assert all("incompletely grabbed" in str(each) for each in failed)
        assert len(numbers(told)) == 18

    def test_frames_dropped_while_nobody_took_them_are_each_a_lost_part(self) -> None:
        with camera("pylon", **BASLER, buffers=2) as basler:
            basler.grab(2.0)
            time.sleep(0.4)
            told = grabbed(basler, 40)
        lost = [each for each in told if isinstance(each, FrameLost)]
        assert len(lost) >= 5
        assert len(lost) + len(numbers(told)) == 40
        assert numbers(told)[-1] == 40

    def test_software_trigger_exposes_once_per_part(self) -> None:
        with camera("pylon", **{**BASLER, "fps": None}, trigger="software") as basler:
            frames = []
            for _ in range(4):
                basler.expose()
                frames.append(basler.grab(2.0))
            with pytest.raises(CameraError):
                basler.grab(0.2)
        assert numbers(frames) == [0, 1, 2, 3]

    def test_hardware_trigger_is_set_and_waits(self) -> None:
        with camera(
            "pylon", **BASLER, trigger="line", trigger_source="Line2", trigger_activation="FallingEdge"
        ) as line:
            features = line.features()
            with pytest.raises(CameraError, match="no frame in"):
                line.grab(0.2)
        assert (features["TriggerMode"], features["TriggerSource"]) == ("On", "Line2")
        assert features["TriggerActivation"] == "FallingEdge"

    def test_a_camera_that_is_removed_is_lost_and_another_opening_finds_it(self) -> None:
        with camera("pylon", **BASLER) as basler:
            basler.grab(2.0)
            basler._device._camera.FirePnPCallbackValue.Value = 1
            told = grabbed(basler, 100, timeout_s=0.2)
        assert isinstance(told[-1], CameraLost)
        assert "removed" in str(told[-1])
        with camera("pylon", **BASLER) as again:
            assert again.grab(2.0).image.shape == (240, 320)

    def test_a_camera_that_is_not_there_is_named_with_those_that_are(self) -> None:
        with pytest.raises(CameraLost, match="device 'x' is not there; found: 0815-0000"):
            camera("pylon", device="x").__enter__()


# ---- GigE Vision on loopback

LOOPBACK = {"device": "127.0.0.1", "width_px": 256, "height_px": 128, "fps": 100.0}


@gige
class TestGige:
    def test_settings_stamps_and_numbers_through_the_wrap_at_65535(self) -> None:
        with fake_gige(), camera("gige", **LOOPBACK, exposure_us=4000, pixel_format="BayerRG8", buffers=20) as cam:
            features = cam.features()
            told = grabbed(cam, 150)
        assert (features["ExposureTimeAbs"], features["Width"], features["Height"]) == (4000.0, 256, 128)
        seen = numbers(told)
        assert max(seen) == 65535
        assert min(seen) == 1
        frames = [each for each in told if isinstance(each, Frame)]
        assert all(earlier.exposed_ns < later.exposed_ns for earlier, later in itertools.pairwise(frames))
        assert frames[0].image.shape == (128, 256, 3)

    def test_packets_lost_on_the_wire_are_parts_without_a_picture_and_none_is_lost_track_of(self) -> None:
        with fake_gige(lost_packets_per_thousand=5), camera("gige", **LOOPBACK, buffers=20) as cam:
            told = grabbed(cam, 120)
        counted = [each for each in told if isinstance(each, (Frame, FrameLost))]
        assert [each.sequence for each in counted] == list(range(len(counted)))
        assert any(isinstance(each, FrameLost) for each in told)
        seen = [number if number > 60_000 else number + 65_535 for number in numbers(told)]
        assert seen == sorted(set(seen))

    def test_software_trigger(self) -> None:
        with fake_gige(), camera("gige", device="127.0.0.1", trigger="software") as cam:
            frames = []
            for _ in range(3):
                cam.expose()
                frames.append(cam.grab(2.0))
        assert [later - numbers(frames)[0] for later in numbers(frames)] == [0, 1, 2]

    def test_a_camera_killed_and_started_again_is_lost_and_found(self) -> None:
        with ExitStack() as stack:
            with fake_gige():
                cam = stack.enter_context(camera("gige", **LOOPBACK))
                cam.grab(2.0)
            stack.enter_context(fake_gige())
            told = grabbed(cam, 100, timeout_s=0.2)
            assert isinstance(told[-1], CameraLost)
            cam.__exit__()
            assert stack.enter_context(camera("gige", **LOOPBACK)).grab(2.0).image.shape == (128, 256)

    def test_what_the_camera_refuses_is_named(self) -> None:
        with (
            fake_gige(),
            pytest.raises(ConfigError, match=r"gain_db \(Gain\): 2 was asked for, the device has no such"),
        ):
            camera("gige", device="127.0.0.1", gain_db=2).__enter__()

    def test_no_camera_at_the_address_is_lost(self) -> None:
        with pytest.raises(CameraLost, match=r"127\.0\.0\.1"):
            camera("gige", device="127.0.0.1").__enter__()


# ---- a GenTL producer: the one that comes with the package genicam


@genicam
class TestGenicam:
    @pytest.fixture
    def producer(self) -> str:
        import genicam as package

        path = Path(package.__file__).with_name("viky.cti")
        if not path.is_file():
            pytest.skip("this version of the package genicam brings no producer")
        return str(path)

    def test_settings_numbers_and_pictures(self, producer: str) -> None:
        with camera("genicam", producer=producer, device="1", fps=50.0, width_px=320) as cam:
            features = cam.features()
            told = grabbed(cam, 5)
        assert (features["Width"], features["AcquisitionFrameRate"]) == (320, 50.0)
        assert numbers(told) == [1, 2, 3, 4, 5]
        assert told[0].image.shape == (400, 320, 3)

    def test_several_devices_must_be_told_apart(self, producer: str) -> None:
        with pytest.raises(ConfigError, match="3 are there, name one of 0, 1, 2"):
            camera("genicam", producer=producer).__enter__()

    def test_what_the_camera_refuses_is_named(self, producer: str) -> None:
        with pytest.raises(
            ConfigError, match=r"exposure_us \(ExposureTime\): 100 was asked for, the device has no such"
        ):
            camera("genicam", producer=producer, device="0", exposure_us=100).__enter__()

    def test_a_missing_producer_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GENICAM_GENTL64_PATH", raising=False)
        with pytest.raises(ConfigError, match=r"producer: unset.*install the producer of the camera's maker"):
            camera("genicam").__enter__()


# ---- RTSP, served by GStreamer

_SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(); factory.set_shared(True)
factory.set_launch("( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,"
                   "framerate=25/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )")
server.get_mount_points().add_factory("/line", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


@contextmanager
def rtsp_server(port: int = 0) -> Iterator[int]:
    words = [sys.executable, "-W", "ignore", "-c", _SERVER, str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        told = process.stdout.readline() if process.stdout else ""
        if not told:
            pytest.skip("GStreamer's RTSP server is not installed (docs/cameras.md)")
        yield int(told)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@gige
def test_an_rtsp_stream_is_grabbed_lost_with_its_server_and_found_again() -> None:
    settings = OpenCvSettings(kind="opencv", source="rtsp://127.0.0.1:1/line")
    with rtsp_server() as port:
        settings = settings.model_copy(update={"source": f"rtsp://127.0.0.1:{port}/line"})
        stream = OpenCvCamera(settings)
        with stream:
            frames = [stream.grab(2.0) for _ in range(10)]
            stamps = [frame.exposed_ns for frame in frames]
    assert frames[0].image.shape == (240, 320, 3)
    assert stamps == sorted(stamps)
    with pytest.raises(CameraLost, match="cannot open"):
        OpenCvCamera(settings).__enter__()
    with rtsp_server(port), OpenCvCamera(settings, start=10) as again:
        assert again.grab(2.0).sequence == 10


@gige
def test_a_control_that_a_stream_has_not_is_named_with_asked_and_given() -> None:
    with rtsp_server() as port:
        settings = OpenCvSettings(kind="opencv", source=f"rtsp://127.0.0.1:{port}/line", exposure_us=5000, width_px=640)
        with pytest.raises(ConfigError) as fault:
            OpenCvCamera(settings).__enter__()
    assert "width_px (FRAME_WIDTH): 640 was asked for, the device gives 320" in str(fault.value)
    assert "exposure_us" in str(fault.value)


# ---- a whole station on the GigE Vision camera


def count_in_ledger(config: StationConfig, query: str) -> int:
    """Return what a query counts; 0 before there is a ledger."""
    try:
        with closing(sqlite3.connect(f"file:{config.station.folder / 'ledger.sqlite'}?mode=ro", uri=True)) as ledger:
            (count,) = ledger.execute(query).fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(count)


def wait_for(config: StationConfig, query: str, count: int) -> None:
    until_s = time.monotonic() + 60
    while (found := count_in_ledger(config, query)) < count:
        if time.monotonic() > until_s:
            raise AssertionError(f"{found} of {count}: {query}")
        time.sleep(0.05)


PARTS = "select count(*) from inspections where outcome is not null"
BACK = "select count(*) from events where kind = 'camera back'"


@gige
def test_a_station_accounts_for_every_frame_of_a_camera_that_loses_packets_and_is_killed(make_config, rows) -> None:
    block = {"kind": "gige", **LOOPBACK, "fps": 25.0, "grab_timeout_s": 0.5}
    config = make_config(camera=block, deadline_ms=2000)
    stop = threading.Event()
    summaries: list[RunSummary] = []
    station = threading.Thread(target=lambda: summaries.append(run_station(config, stop)))
    try:
        with fake_gige(lost_packets_per_thousand=5):
            station.start()
            wait_for(config, PARTS, 20)
        with fake_gige():
            wait_for(config, BACK, 1)
            wait_for(config, PARTS, count_in_ledger(config, PARTS) + 10)
            stop.set()
            station.join(40)
    finally:
        stop.set()
        station.join(40)
    parts = rows(summaries[0])
    assert summaries[0].status.triggers == summaries[0].status.accounted == len(parts)
    assert [part.sequence for part in parts] == list(range(len(parts)))
    sources = [part.source for part in parts if part.views]
    assert len(sources) == len({(part.source, part.triggered_at) for part in parts if part.views})
    lost = [part for part in parts if part.outcome is Outcome.NOT_INSPECTED]
    assert lost
    assert all(part.reasons for part in lost)
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        kinds = {event.kind for event in events(connection, 1000)}
    engine.dispose()
    assert {"camera opened", "camera lost", "camera back"} <= kinds
    assert list((config.station.folder / "cameras").glob("camera-1-*.json"))


@gige
def test_station_check_names_what_a_camera_has_not_as_the_recipe_wants_it(make_config, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "r"\n[cameras.camera-1]\nExposureTimeAbs = 5000.0\n')
    with fake_gige():
        faults = check_station(make_config(camera={"kind": "gige", **LOOPBACK}, recipe=str(recipe)), lambda _: None)
    assert faults == [
        "camera: camera 'camera-1': ExposureTimeAbs: 5000 was asked for, the device gives 10000",
    ]
