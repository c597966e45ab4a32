"""The error tree.

    InspectorError
    |-- UserError            bad usage or bad input: one line on stderr, exit status 2
    |   |-- ConfigError          a station or training configuration
    |   |-- RecipeError          a recipe
    |   |-- DatasetError         an index, a label, a split, a path
    |   |-- BundleError          missing, truncated, altered, or for another task
    |   |-- CalibrationUndefined  scores and truths that no probability can be made of
    |   |-- CertificateError     cannot be issued, or is of another bundle, precision, recipe or other limits
    |   |-- EnrolmentError       missing, altered, or of another bundle
    |   |-- UnreadableImage      a file that is no 8-bit image
    |   |-- UnknownPlugin        a camera, output or runtime that nobody provides
    |   |-- RuntimeUnavailable   a runtime whose library or device this machine lacks
    |   |-- LabelRefused         a label without a part, a person or a known class
    |   |-- OrderRefused         an order to a station that says too little, or that nobody could follow
    |   |-- ChallengeRefused     a part of known truth that cannot be registered
    |   |-- AccessRefused        a person who cannot sign in, or may not do that
    |   |-- JobRefused           a training job that cannot be queued, taken or cancelled
    |   |   `-- JobLost              a worker goes on with a job that it no longer holds
    |   |-- ReleaseRefused       a release that cannot begin, or be approved, or gone back from
    |   |-- PlantRefused         a line, a lot or an acknowledgement that says too little, or of what is not there
    |   |-- UndefinedFigure      a figure that the parts at hand do not define
    |   `-- DatabaseError        a database that cannot be opened, written or is of another version
    `-- StationError         a fault of the running line: a fail-safe verdict and an event
        |-- CameraError
        |   |-- CameraLost           the device is gone or answers nonsense
        |   |-- CameraEnded          a finite source has no further exposure
        |   |-- TriggerTimeout       no exposure within the time given
        |   |-- FrameLost            an exposure was made, but its picture cannot be had
        |   `-- FrameStale           a frame that came before, or after its successor
        |-- RuntimeFault         a network that raised or answered NaN
        |-- StorageFault         a disk that is full or read-only
        |-- TriggerLost          a trigger's peer that is not there
        |-- TriggerRefused       a message that is no trigger
        |-- PeerFault            a broker, a server or a controller that does not take what it is told
        |   `-- ReportRefused        it never will: this report is not to its liking
        `-- RowRefused           a row that the ledger will never take (db.entries)

Messages are one line and name the file, the field and what was expected.
"""


class InspectorError(Exception):
    """Root of every error that this product raises on purpose."""


class UserError(InspectorError):
    """Bad usage or bad input; the command line prints it and exits with 2."""


class ConfigError(UserError):
    """A configuration file with a wrong field."""


class RecipeError(UserError):
    """A recipe with a wrong field."""


class DatasetError(UserError):
    """A data set with wrong rows; the message lists them all."""


class CalibrationUndefined(UserError, ValueError):
    """Scores and truths that no calibration, and no figure of one, can be made of."""


class BundleError(UserError):
    """A bundle that is missing, truncated, altered or unfit for its use."""


class CertificateError(UserError):
    """A certificate that the parts do not support, or that says nothing of what it is used with."""


class EnrolmentError(UserError):
    """An enrolment that is missing, altered, or made with another bundle; or a variant that it lacks."""


class UnreadableImage(UserError):
    """A file that cannot be read as an 8-bit image."""


class UnknownPlugin(UserError):
    """A kind that neither the product nor an installed plug-in provides."""


class RuntimeUnavailable(UserError):
    """A runtime whose library, device or driver is missing on this machine."""


class LabelRefused(UserError):
    """A label that is not taken: no such part, no person, an unknown class, or a second one that nobody asked for."""


class OrderRefused(UserError):
    """An order without a reason, or for something that the station does not have or may not do."""


class ChallengeRefused(UserError):
    """A challenge part that is not registered: no code, nobody named, or an outcome that no part can be given."""


class AccessRefused(UserError):
    """A wrong name or password, a locked or disabled account, a session that is over, or a role that may not."""


class JobRefused(UserError):
    """A training job without a reason, of what the database does not have, or that is over."""


class JobLost(JobRefused):
    """A training job that was cancelled, or that another worker has: whoever still works on it stops."""


class ReleaseRefused(UserError):
    """A release of what is no candidate, of what is under way already, or by a person who may not."""


class PlantRefused(UserError):
    """A line, a lot or an acknowledgement without a name or a person, or of what the database does not have."""


class UndefinedFigure(UserError):
    """A figure that the parts or labels at hand do not define: none, too few, or of one kind only."""


class DatabaseError(UserError):
    """A database that cannot be opened, written, or has another schema version."""


class StationError(InspectorError):
    """A fault of the running line."""


class CameraError(StationError):
    """A camera that gave no frame."""


class CameraLost(CameraError):
    """The device is gone, or answers what no camera should."""


class CameraEnded(CameraError):
    """A finite source (a folder, a file) has no further exposure."""


class TriggerTimeout(CameraError):
    """No exposure arrived within the time given."""


class FrameLost(CameraError):
    """An exposure was made, but its picture cannot be had: the part it stands for gets NOT_INSPECTED."""

    def __init__(self, message: str, sequence: int, source: str = "") -> None:
        super().__init__(message)
        self.sequence = sequence
        self.source = source


class FrameStale(CameraError):
    """A frame that was delivered before, or whose successor was: it is no further part."""


class RuntimeFault(StationError):
    """A network that raised or answered NaN."""


class StorageFault(StationError):
    """A disk that is full or read-only."""


class TriggerLost(StationError):
    """A trigger's peer is not there, or no longer."""


class TriggerRefused(StationError):
    """A message that is no trigger: nobody knows whether a part is there."""


class PeerFault(StationError):
    """A broker, a server or a controller that does not take what it is told; the first `told` reports it has."""

    def __init__(self, message: str, told: int = 0) -> None:
        super().__init__(message)
        self.told = told


class ReportRefused(PeerFault):
    """The peer took `told` reports and will never take the next one; those behind it are another matter."""
