"""The Weizmann actions, `daria_walk.avi`: nine actors, ten actions, a tenth video of some (`lena_run1`, `lena_run2`).

Stored grey, so that sources trained on KTH fit, and whatever the size of the files: they are reported to be 180x144,
which could not be verified. The aspect is not kept, as of KTH. For colour, read them as your own data.
"""

import re
from functools import partial
from pathlib import Path

from platform.benchmarks.formats.fields import nothing_usable, require_folder, skip, stamp
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.pictures import Fit
from platform.benchmarks.formats.video_files import load_video, promised_frames
from platform.benchmarks.recording import Found, Recording, Wanted
from platform.config.datasets import WEIZMANN_ACTIONS

VERSION = "1"
ACTORS = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")
# wave1 and wave2 are actions; in run1 and run2 the number counts the videos of one.
VIDEO_NAME = re.compile(rf"(({'|'.join(ACTORS)})_({'|'.join(WEIZMANN_ACTIONS)})[0-9]?)\.avi", re.IGNORECASE | re.ASCII)


def find_weizmann(folder: Path, wanted: Wanted) -> Found:
    """Every video in `folder` or below it; an actor is a group, an action a category. Raises UserError without any."""
    require_folder(folder, "Weizmann's AVI files")
    files, skipped = files_below(folder, "*.[aA][vV][iI]")
    fit = Fit(wanted.size)
    recordings: dict[str, Recording] = {}
    for file in sorted(files, key=lambda file: (file.name, file)):
        match = VIDEO_NAME.fullmatch(file.name)
        if match is None:
            skipped.append(skip(file, folder, "its name is not ACTOR_ACTION.avi, as daria_walk.avi"))
            continue
        name = match[1].lower()
        if name in recordings:
            skipped.append(skip(file, folder, "a video of this name was found in another folder"))
            continue
        recordings[name] = Recording(
            name=name,
            group=match[2].lower(),
            category=match[3].lower(),
            key=stamp(file),
            load=partial(load_video, file, fit),
            num_frames=promised_frames(file),
        )
    if not recordings:
        archives = ", ".join(file.name for file in sorted(folder.glob("*.zip"))[:6])
        hint = f"Unpack {archives} first." if archives else "Give the folder with daria_walk.avi, ... to --from."
        raise nothing_usable("ACTOR_ACTION.avi", folder, skipped, hint)
    return Found(
        list(recordings.values()),
        frame_size=(wanted.size, wanted.size),
        fit=fit.stamp(),
        skipped=tuple(skipped),
        provenance={"source": str(folder)},
    )
