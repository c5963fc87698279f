"""A picture of what a benchmark's splits hold, for the eye: clips with their missing places, and where they begin.

Frames are shown in the pixels that networks see, enlarged without smoothing. Of a measured field level 0 is dark blue
and the top yellow (viridis, readable with colour blindness); a missing place is chequered.
"""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.blocks import ClipBlocks, clip_span
from platform.benchmarks.encoding import MISSING, TOP
from platform.config.splits import SPLIT_NAMES, SplitName

CLIPS = 4  # of each split
MOST_FRAMES = 20  # of a clip; longer ones show every k-th
MOST_GROUPS = 6  # named of each split
MOST_VARIANTS = 3  # of a clip, where there are several
CELL = 64  # pixels of a frame's side, at least
GAP, MARGIN, LINE = 4, 16, 18  # pixels
INK, PAPER, FAINT = (30, 30, 30), (255, 255, 255), (150, 150, 150)
OBSERVED, PREDICTED = (128, 128, 128), (213, 94, 0)  # edges, as in a report's strips
CHEQUERS = ((235, 235, 235), (190, 190, 190))
CHEQUER = 4  # pixels of what is shown


def contact_sheet(benchmark: Benchmark) -> Image.Image:
    """Some clips of each split below each other, and the stretch of one video with its clips. Raises UserError."""
    parts = [_split(benchmark, split) for split in SPLIT_NAMES]
    width = max(part.width for part in parts)
    sheet = Image.new("RGB", (width, sum(part.height for part in parts)), PAPER)
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def _split(benchmark: Benchmark, split: SplitName) -> Image.Image:
    clips, config = benchmark.blocks(split).unsealed(), benchmark.config
    scale = -(-CELL // config.frame_size)
    side = scale * config.frame_size
    shown = _thinned(config.total_length)
    columns = len(shown)
    variants = range(min(clips.num_variants, MOST_VARIANTS))
    names = clips.clip_names(0)[:CLIPS]
    row_height = LINE + len(variants) * (side + GAP)
    width = 2 * MARGIN + columns * (side + GAP) + 3 * GAP
    height = MARGIN + 3 * LINE + len(names) * row_height + _TIMELINE_HEIGHT
    image = Image.new("RGB", (max(width, 900), height), PAPER)
    draw = ImageDraw.Draw(image)
    y = MARGIN
    for line, (text, ink) in enumerate(_heading(benchmark, split, clips)):
        draw.text((MARGIN, y), text, fill=ink, font=_font(bold=line == 0))
        y += LINE
    blocks = [clips.frames(0, variant) for variant in variants]
    for clip, name in enumerate(names):
        last = clips.clips[clip, 1] + clip_span(config.total_length, config.frame_step) - 1
        draw.text((MARGIN, y), f"{name} to {last}", fill=INK, font=_font())
        y += LINE
        for block_NTHWC in blocks:
            x = MARGIN
            for t in shown:
                x += 3 * GAP if t == shown[shown >= config.input_length][0] else 0
                picture = Image.fromarray(_coloured(block_NTHWC[clip, t], scale, field=clips.holds_field))
                image.paste(picture, (x, y))
                edge = OBSERVED if t < config.input_length else PREDICTED
                draw.rectangle((x - 1, y - 1, x + side, y + side), outline=edge)
                x += side + GAP
            y += side + GAP
    _timeline(draw, clips, y, image.width)
    return image


def _heading(benchmark: Benchmark, split: SplitName, clips: ClipBlocks) -> list[tuple[str, tuple[int, int, int]]]:
    config = benchmark.config
    strides = ", ".join(f"{name} {stride}" for name, stride in config.stride.items()) or "clips touch"
    step = "every frame" if config.frame_step == 1 else f"one frame in {config.frame_step}"
    named, more = clips.groups[:MOST_GROUPS], len(clips.groups) - MOST_GROUPS
    groups = ", ".join(named) + (f" and {more} more" if more > 0 else "")
    seen = f"{config.frame_size}x{config.frame_size} pixels"
    if config.crop is not None:
        seen = f"a {config.crop.place} square of {config.crop.side} as {seen}"
    if clips.num_variants > 1:
        seen += f", {clips.num_variants} variants"
    lines = [
        f"{benchmark.label} · {split} · {clips.num_clips:,} clips of {config.input_length} frames shown (grey edge) "
        f"and {config.total_length - config.input_length} to predict (orange)",
        f"{seen} · {step} · stride: {strides} · groups {groups}",
    ]
    encoding = benchmark.store.manifest.encoding
    if encoding is not None:
        top = encoding.values(np.array([TOP], np.uint8))[0]
        lines.append(
            f"dark blue: {encoding.values(np.array([0], np.uint8))[0]:g} {encoding.unit}, yellow: {top:.0f}; "
            "chequered: missing"
        )
    else:
        lines.append("")
    return list(zip(lines, (INK, FAINT, FAINT), strict=True))


_LANES = 6  # at most: clips that overlap are drawn in turns
_LANE = 7  # pixels
_TIMELINE_HEIGHT = LINE + 10 + _LANES * _LANE + MARGIN


def _timeline(draw: ImageDraw.ImageDraw, clips: ClipBlocks, y: int, width: int) -> None:
    """Where the clips of one video lie: its frames from left to right, usable stretches dark, clips as bars."""
    video = int(clips.clips[0, 0])
    entry = clips.store.videos[video]
    starts = np.unique(clips.clips[clips.clips[:, 0] == video, 1])
    span = clip_span(clips.total_length, clips.frame_step)
    room = width - 2 * MARGIN

    def at(frame: int) -> float:
        return MARGIN + room * frame / entry.num_frames

    told = f"{entry.name}: {entry.num_frames} frames, usable ones dark; {len(starts)} of the split's clips lie in it"
    draw.text((MARGIN, y), told, fill=FAINT, font=_font())
    y += LINE
    draw.rectangle((MARGIN, y, MARGIN + room, y + 5), fill=(225, 225, 225))
    for first, end in entry.ranges:
        draw.rectangle((at(first), y, at(end) - 1, y + 5), fill=(120, 120, 120))
    lanes = min(-(-span // int(np.diff(starts).min())), _LANES) if len(starts) > 1 else 1
    for number, start in enumerate(starts.tolist()):
        lane = y + 10 + _LANE * (number % lanes)
        draw.rectangle((at(start), lane, max(at(start + span) - 3, at(start) + 1), lane + _LANE - 3), fill=PREDICTED)


def _thinned(length: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, min(length, MOST_FRAMES)).round().astype(int))


def _coloured(frame_HWC: np.ndarray, scale: int, *, field: bool) -> np.ndarray:
    """uint8 RGB, `scale` times as large."""
    large = frame_HWC.repeat(scale, axis=0).repeat(scale, axis=1)
    if not field:
        return large if large.shape[-1] == 3 else large[..., :1].repeat(3, axis=-1)
    levels = large[..., 0]
    rows, columns = np.indices(levels.shape) // CHEQUER
    chequers = np.array(CHEQUERS, np.uint8)[(rows + columns) % 2]
    return np.where((levels == MISSING)[..., None], chequers, _viridis()[levels])


@cache
def _viridis() -> np.ndarray:
    """uint8 (256, 3): a colour for each byte."""
    from plotly.colors import sample_colorscale, unlabel_rgb

    sampled = sample_colorscale("Viridis", [min(level / TOP, 1.0) for level in range(256)])
    return np.array([unlabel_rgb(colour) for colour in sampled]).round().astype(np.uint8)


@cache
def _font(*, bold: bool = False) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own, so that no machine lacks it."""
    return ImageFont.load_default(size=14 if bold else 12)
