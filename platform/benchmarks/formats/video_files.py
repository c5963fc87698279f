"""Frames of video files, one at a time: what every reader of AVI, MP4, Matroska and the like shares.

The planes of a frame are read as they are, without a conversion library's rounding, resized exactly and only then
turned into colours. Luma of video range (16-235) is stretched to 0-255 as every RGB converter does. Other than planar
8-bit YUV and grey (RGB, 10 bits, packed) is rare; FFmpeg converts it to RGB. A rotation that a phone notes beside its
pictures is not applied. Decoding has one thread: FFmpeg's own threads cost KTH's small frames half as much again.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from platform.benchmarks.formats.fields import by
from platform.benchmarks.formats.pictures import Fit, check_size, stack_frames
from platform.benchmarks.recording import UnusableFile

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts")
# FFmpeg's names of containers. Playlists and scripts, which name other files and addresses, are not among them.
CONTAINERS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg"
PLANAR_YUV = re.compile(r"yuv[aj]?4[0-9]{2}p")
MOST_BOXES = 1 << 18  # of an MP4 that are looked at

_FULL_RANGE = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
_JPEG_RANGE = 2  # AVCOL_RANGE_JPEG

# Shares of red and blue in luma by FFmpeg's number of the colour space; where none is given, size tells old from new.
_BT601, _BT709, _BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
_SHARES = {1: _BT709, 5: _BT601, 6: _BT601, 9: _BT2020, 10: _BT2020}
_HD_HEIGHT = 720


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself."""

    grey: bool
    num_frames: int | None


def load_video(file: Path, fit: Fit) -> np.ndarray:
    """All frames, uint8 (T, size, size, channels). One decoded frame in memory at a time.

    Raises UnusableFile for a file that is cut off, is no video, changes its size, or decodes to fewer frames than an
    AVI promises.
    """
    import av  # 0.1 s and a heap of shared libraries: only when something is decoded

    try:
        _check_whole(file)
        with _open(file) as container:
            frames = stack_frames(_frames(container, _pictures_of(container), fit), fit)
    except av.FFmpegError as fault:
        raise UnusableFile(f"it cannot be decoded ({fault.strerror}); get it again") from fault
    except OSError as fault:
        raise UnusableFile(f"it cannot be read ({fault.strerror})") from fault
    if len(frames) < (promised := promised_frames(file)):
        raise UnusableFile(f"it is damaged: {len(frames)} of {promised} frames decode; get it again")
    return frames


def look_at_video(file: Path) -> VideoFacts:
    """Nothing is decoded. Raises UnusableFile."""
    import av

    try:
        _check_whole(file)
        with _open(file) as container:
            stream = _pictures_of(container)
            pixels = stream.codec_context.pix_fmt or ""
            return VideoFacts(pixels.startswith(("gray", "mono", "ya")), stream.frames or None)
    except av.FFmpegError as fault:
        raise UnusableFile(f"it cannot be decoded ({fault.strerror}); get it again") from fault
    except OSError as fault:
        raise UnusableFile(f"it cannot be read ({fault.strerror})") from fault


def promised_frames(file: Path) -> int:
    """Frames that an AVI file's header promises; 0 when it has no such header."""
    try:
        with file.open("rb") as handle:
            head = handle.read(52)
    except OSError:
        return 0
    return struct.unpack_from("<I", head, 48)[0] if _is_avi(head) else 0


def _open(file: Path) -> "InputContainer":
    import av

    return av.open(str(file), options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"})


def _pictures_of(container: "InputContainer") -> "VideoStream":
    if not container.streams.video:
        raise UnusableFile("it has no picture stream")
    stream = container.streams.video[0]
    check_size((stream.codec_context.height, stream.codec_context.width))
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream


def _frames(container: "InputContainer", stream: "VideoStream", fit: Fit) -> Iterator[np.ndarray]:
    size: tuple[int, int] | None = None
    for number, frame in enumerate(container.decode(stream), start=1):
        size = size or (frame.height, frame.width)
        if (frame.height, frame.width) != size:
            raise UnusableFile(
                f"its frame {number} is {by((frame.height, frame.width))}, the first is {by(size)}; "
                "convert it to one size"
            )
        yield _fitted(frame, fit)


def _fitted(frame: "VideoFrame", fit: Fit) -> np.ndarray:
    name, whole = frame.format.name, (frame.height, frame.width)
    if name == "gray":
        return fit.of_grey(fit.plane(_plane(frame, 0), whole))
    if not PLANAR_YUV.fullmatch(name):
        return fit.frame(frame.to_ndarray(format="rgb24"))
    full_range = name.startswith("yuvj") or frame.color_range == _JPEG_RANGE
    if fit.channels == 1:
        luma = _plane(frame, 0)
        return fit.of_grey(fit.plane(luma if full_range else _FULL_RANGE.take(luma), whole))
    shares = _SHARES.get(int(frame.colorspace), _BT709 if frame.height >= _HD_HEIGHT else _BT601)
    y, u, v = (fit.plane(_plane(frame, number), whole) for number in range(3))
    return _colours(y, u, v, full_range, shares)


def _plane(frame: "VideoFrame", number: int) -> np.ndarray:
    """uint8 (h, w), without a copy."""
    plane = frame.planes[number]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _colours(y: np.ndarray, u: np.ndarray, v: np.ndarray, full_range: bool, shares: tuple[float, float]) -> np.ndarray:
    """Red, green and blue of luma and chroma, uint8 (h, w) each -> (h, w, 3), in integers of 1/65536."""
    red, blue = shares
    green = 1 - red - blue
    wide, wider, black = (1.0, 1.0, 0) if full_range else (255 / 219, 255 / 224, 16)

    def times(factor: float, plane: np.ndarray) -> np.ndarray:
        return round(65536 * factor) * plane

    luma = times(wide, y.astype(np.int32) - black)
    u, v = (plane.astype(np.int32) - 128 for plane in (u, v))
    of_u, of_v = wider * 2 * (1 - blue), wider * 2 * (1 - red)
    colours = (
        luma + times(of_v, v),
        luma - times(of_u * blue / green, u) - times(of_v * red / green, v),
        luma + times(of_u, u),
    )
    return np.clip(np.stack([(colour + 32768) >> 16 for colour in colours], -1), 0, 255).astype(np.uint8)


def _check_whole(file: Path) -> None:
    """Raises UnusableFile for a file shorter than its container says. Raises OSError."""
    held = file.stat().st_size
    with file.open("rb") as handle:
        promised = _promised_bytes(handle, held)
    if held < promised:
        raise UnusableFile(f"it is cut off: {held} of {promised} bytes; copy it again")


def _promised_bytes(handle: IO[bytes], held: int) -> int:
    """How long the file should be, as far as its container tells; 0 where it does not."""
    head = handle.read(64)
    if _is_avi(head):
        return struct.unpack_from("<I", head, 4)[0] + 8
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):  # QuickTime need not begin with ftyp
        return _end_of_boxes(handle, held)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _end_of_matroska(head)
    return 0


def _is_avi(head: bytes) -> bool:
    return len(head) >= 52 and head[:4] == b"RIFF" and head[24:28] == b"avih"


def _end_of_boxes(handle: IO[bytes], held: int) -> int:
    """An MP4 is a row of boxes: length, kind, content."""
    at = 0
    for _ in range(MOST_BOXES):
        handle.seek(at)
        head = handle.read(16)
        if len(head) < 8 or not head[4:8].isalnum():
            return at if at > held else 0
        length = struct.unpack_from(">I", head)[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        if length < 8:  # 0: to the end of the file
            return 0
        at += length
    return 0


def _end_of_matroska(head: bytes) -> int:
    """A header and one segment, which hold all; both begin with four bytes of identity and their length."""
    at = 0
    for identity in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        if head[at : at + 4] != identity or len(head) < at + 12 or not head[at + 4]:
            return 0
        width = 9 - head[at + 4].bit_length()  # of the length: told by the leading zeros of its first byte
        content = int.from_bytes(head[at + 4 : at + 4 + width]) & ((1 << 7 * width) - 1)
        if content == (1 << 7 * width) - 1:  # not known when it was written
            return 0
        at += 4 + width + content
    return at
