"""Video files of any container become frames: exact planes, true colours, and no file that is not what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from platform.benchmarks.formats.own import find_own
from platform.benchmarks.formats.pictures import Fit
from platform.benchmarks.formats.video_files import VideoFacts, load_video, look_at_video
from platform.benchmarks.recording import UnusableFile, Wanted

MakeAvi = Callable[..., Path]

LEFT, RIGHT = (200, 40, 90), (30, 180, 220)


def encode(file: Path, codec: str, pixels: str, num_frames: int = 10) -> Path:
    """64x48, red on the left and blue on the right."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = LEFT, RIGHT
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for _ in range(num_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.avi", "mpeg4", "yuv420p"),
        ("b.avi", "mjpeg", "yuvj420p"),
        ("c.avi", "rawvideo", "bgr24"),
        ("d.mp4", "mpeg4", "yuv420p"),
        ("e.mkv", "ffv1", "yuv444p"),
        ("f.mkv", "ffv1", "yuv422p10le"),
        ("g.mov", "mjpeg", "yuvj422p"),
        ("h.mpg", "mpeg2video", "yuv420p"),
    ],
)
def test_colours_are_true_in_every_container_and_layout(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    file = encode(tmp_path / name, codec, pixels)
    coloured, grey = load_video(file, Fit(32, 3)), load_video(file, Fit(32))
    assert coloured.shape == (10, 32, 32, 3)
    for column, colour in ((5, LEFT), (27, RIGHT)):
        assert abs(coloured[4, 16, column].astype(int) - colour).max() <= 4
        assert abs(int(grey[4, 16, column, 0]) - np.dot(colour, [0.299, 0.587, 0.114])) <= 4
    assert look_at_video(file).grey is False


def test_a_grey_video_says_so_and_may_be_stored_in_colour(tmp_path: Path) -> None:
    file = encode(tmp_path / "a.mkv", "ffv1", "gray")
    assert look_at_video(file) == VideoFacts(grey=True, num_frames=None)
    frames = load_video(file, Fit(16, 3))
    assert (frames[..., 0] == frames[..., 2]).all()


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.mp4", "mpeg4"), ("a.mkv", "mpeg4")])
def test_a_truncated_file_says_how_much_is_there(tmp_path: Path, name: str, codec: str) -> None:
    file = encode(tmp_path / name, codec, "yuv420p")
    content = file.read_bytes()
    for kept in (len(content) // 2, len(content) - 1):
        file.write_bytes(content[:kept])
        for read in (look_at_video, lambda video: load_video(video, Fit(16))):
            with pytest.raises(UnusableFile, match=rf"cut off: {kept} of \d+ bytes; copy it again"):
                read(file)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"\x1a\x45\xdf\xa3" + bytes(99), bytes(4) + b"ftyp" + bytes(99), b"not a video at all" * 100],
    ids=["empty", "magic alone", "matroska", "boxes", "text"],
)
def test_what_is_no_video_is_unusable(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    for read in (look_at_video, lambda video: load_video(video, Fit(16))):
        with pytest.raises(UnusableFile, match=r"cannot be decoded .*; get it again"):
            read(file)


@pytest.mark.parametrize(
    "script", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n", "ffconcat version 1.0\nfile {}"]
)
def test_a_playlist_called_a_video_leads_nowhere(tmp_path: Path, script: str) -> None:
    real = encode(tmp_path / "real.mp4", "mpeg4", "yuv420p")
    (tmp_path / "a.mp4").write_text(script.format(real))
    with pytest.raises(UnusableFile, match="cannot be decoded"):
        look_at_video(tmp_path / "a.mp4")


def test_a_video_with_fewer_frames_than_promised_is_unusable(tmp_path: Path, make_avi: MakeAvi) -> None:
    file = make_avi(tmp_path / "a.avi", num_frames=12)
    content = bytearray(file.read_bytes())
    content[48:52] = (500).to_bytes(4, "little")  # the header's frame count
    file.write_bytes(content)
    with pytest.raises(UnusableFile, match="12 of 500 frames decode; get it again"):
        load_video(file, Fit(16))


def test_sound_alone_has_no_pictures(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(UnusableFile, match="it has no picture stream"):
        look_at_video(tmp_path / "a.mkv")


@pytest.mark.parametrize(
    ("side", "says"),
    [
        (10_000, r"10000x10000 pixels large; at most \d+ are read, make it smaller"),
        (1 << 20, "0x0 pixels large; get it"),
    ],
)
def test_a_video_that_says_to_be_huge_is_refused_before_it_is_decoded(tmp_path: Path, side: int, says: str) -> None:
    file = encode(tmp_path / "a.avi", "rawvideo", "bgr24")
    content = bytearray(file.read_bytes())
    at = content.index(b"strf") + 8  # a bitmap's header: its own size, then width and height
    content[at + 4 : at + 12] = side.to_bytes(4, "little") * 2
    file.write_bytes(content)
    for read in (look_at_video, lambda video: load_video(video, Fit(16))):
        with pytest.raises(UnusableFile, match=says):
            read(file)


def test_a_change_of_size_is_named_with_the_frame(tmp_path: Path) -> None:
    wide, tall = (encode(tmp_path / name, "mpeg2video", "yuv420p", 5) for name in ("wide.ts", "tall.ts"))
    with av.open(str(tall), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(48, 64, "yuv420p")))
        container.mux(stream.encode(None))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(wide.read_bytes() + tall.read_bytes())
    with pytest.raises(UnusableFile, match=r"its frame \d+ is 64x48, the first is 48x64; convert it to one size"):
        load_video(joined, Fit(16))


@pytest.mark.real_data
def test_real_videos_are_own_data(data_root: Path) -> None:
    found = find_own(data_root / "natural", Wanted(64))
    assert [(one.name, one.num_frames) for one in found.recordings] == [
        ("bikes.mp4", 250),
        ("carphone_pristine.mp4", 120),
    ]
    assert found.channels == 3
    assert found.skipped == ()
    for recording in found.recordings:
        frames = recording.load()
        assert frames.shape == (recording.num_frames, 64, 64, 3)
        assert frames.std(axis=(0, 1, 2)).min() > 20  # something is seen in every colour
