"""A small run folder as a search leaves it: a real Optuna study, a real table, real files; seeded, made in a second.

The scores follow a rule that the tests know: `digits_2` helps by 4, a good learning rate by up to 8, the other
sources do nothing. What the "network" predicts are the true frames, ever more blurred.
"""

import datetime
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from skimage.filters import gaussian
from skimage.transform import resize
from sklearn.datasets import load_digits

from platform.results.look import Look, LookFacts, SourceLook, write_look
from platform.results.predictions import Predictions
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder

SOURCES = ("digits_1", "digits_2", "digits_3")
STARTED = datetime.datetime(2026, 11, 20, 9, 0, tzinfo=datetime.UTC)
LAST_FRAME = {"mse": 48.4, "ssim": 0.741, "psnr": 21.6}
EPOCHS = 6

RunBuilder = Callable[..., RunFolder]


@pytest.fixture(scope="session")
def build_run() -> RunBuilder:
    return build


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished search of 16 trials. Read only: tests that change a run build their own."""
    return build(tmp_path_factory.mktemp("runs") / "kth-finished")


def build(
    path: Path, *, num_trials: int = 16, objectives: tuple[str, ...] = ("mse",), synthetic: bool = True, seed: int = 0
) -> RunFolder:
    folder = RunFolder(path)
    path.mkdir(parents=True)
    label = "kth (synthetic)" if synthetic else "kth"
    config = {
        "name": "kth",
        "profile": "laptop",
        "question": "Which digit sources help a predictor of human motion?",
        "benchmark": {"name": "kth", "input_length": 10, "total_length": 20, "frame_size": 64},
        "training": {"epochs": EPOCHS},
        "sources": {name: {"benchmark": {"name": "flying_digits", "digits": int(name[-1])}} for name in SOURCES},
        "search": {"trials": num_trials, "objectives": list(objectives)},
    }
    folder.config.write_text(yaml.safe_dump(config))
    records = trials(folder, num_trials, objectives, seed)
    write_results(folder.results, records, sources=SOURCES)
    folder.provenance.write_text(json.dumps(provenance(label, synthetic)))
    finished = [record for record in records if record.state == "finished"]
    clips = moving_digits(3, np.random.default_rng(seed))
    for record in sorted(finished, key=lambda record: record.metrics["mse"])[:2]:
        write_look(folder.look(record.id), look(record, label, clips))
    return folder


def look(record: TrialRecord, label: str, clips: np.ndarray, num_clips: int = 40) -> Look:
    """Its gates are the wider open the later, those of the first source the widest, and worth something."""
    generator = np.random.default_rng(record.trial)
    names = tuple(f"person{clip // 4}@{clip % 4}" for clip in range(num_clips))
    layers = tuple(record.settings["tmu"]["layers"]) if record.sources else ()
    num_layers, num_sources, steps = len(layers), len(record.sources), clips.shape[1] - 1
    opened = np.linspace(0.4, 0.6, steps) + 0.1 * np.arange(num_sources)[::-1, None] - 0.05 * num_sources
    openness = np.broadcast_to(opened[None, :, None, :, None, None], (num_layers, num_sources, 3, steps, 8, 8))
    shares = np.broadcast_to(0.1 + 0.2 * np.arange(num_sources)[::-1, None], (num_sources, steps))
    both = np.stack([np.broadcast_to(values, (num_layers, num_sources, steps)) for values in (opened, shares)])
    mse = tuple((record.metrics["mse"] + generator.normal(0, 4, num_clips)).tolist())
    return Look(
        facts=LookFacts(
            trial=record.trial,
            benchmark=label,
            input_length=10,
            clips=names,
            kept=(names[3], names[17], names[30]),
            mse=mse,
            horizon={"mse": tuple(20.0 + 3 * n for n in range(10)), "ssim": tuple(0.9 - 0.02 * n for n in range(10))},
            floor={"mse": tuple(30.0 + 4 * n for n in range(10)), "ssim": tuple(0.8 - 0.03 * n for n in range(10))},
            layers=layers,
            sources={
                name: SourceLook(
                    openness=tuple(both[0, :, number].mean(-1).tolist()),
                    drawn=tuple(both[1, :, number].mean(-1).tolist()),
                    worth=tuple(generator.normal(2.0 if number == 0 else 0.0, 1.5, num_clips).tolist()),
                )
                for number, name in enumerate(record.sources)
            },
            all_shut=mse if num_sources > 1 else (),
        ),
        predictions=Predictions(clips, blurred(clips, 10), 10),
        openness=(openness * 255).round().astype(np.uint8),
        steps=both.astype(np.float32),
    )


def trials(folder: RunFolder, num_trials: int, objectives: tuple[str, ...], seed: int) -> list[TrialRecord]:
    """Drawn by Optuna's own random sampler, and told to a study on disk as a search does."""
    upwards, downwards = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions = [upwards if name in ("ssim", "psnr") else downwards for name in objectives]
    study = optuna.create_study(
        study_name="search",
        storage=f"sqlite:///{folder.study}",
        directions=directions,
        sampler=optuna.samplers.RandomSampler(seed=seed),
    )
    generator = np.random.default_rng(seed)
    records = []
    for number in range(num_trials):
        trial = study.ask()
        settings = draw(trial)
        record = train(number, settings, generator)
        records.append(record)
        if record.state == "finished":
            study.tell(trial, [record.metrics[name] for name in objectives])
        else:
            state = "PRUNED" if record.state == "stopped" and len(objectives) == 1 else "FAIL"
            study.tell(trial, state=optuna.trial.TrialState[state])
    return records


def draw(trial: optuna.Trial) -> dict[str, Any]:
    sources = [name for name in SOURCES if trial.suggest_categorical(f"source.{name}", [True, False])]
    settings: dict[str, Any] = {
        "sources": sources,
        "start": trial.suggest_categorical("start", ["scratch", "digits_2"]),
        "tmu": {"layers": [0], "merge": "mean", "bias": 0.0, "kernel_size": 5},
        "distil": {"weight": 0.1, "source_weights": {}},
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "feed": "own",
    }
    if sources:
        settings["tmu"]["merge"] = trial.suggest_categorical("tmu.merge", ["mean", "softmax", "sum"])
        settings["distil"]["weight"] = trial.suggest_float("distil.weight", 0.003, 0.3, log=True)
    return settings


def train(number: int, settings: dict[str, Any], generator: np.random.Generator) -> TrialRecord:
    """A made-up learning curve that falls to the score of the rule, with a tenth of the trials each failing somehow."""
    rate = math.log10(settings["learning_rate"]) + 3
    end = 36 - 4 * ("digits_2" in settings["sources"]) + 8 * abs(rate) + generator.normal(0, 1)
    epochs, state, reason = EPOCHS, "finished", None
    if number % 5 == 4:
        epochs, state, reason = 2, "stopped", "stopped by ASHA after epoch 2: others did better by then"
    if number % 16 == 7:
        epochs, state, reason = 1, "failed", "the loss is no longer finite in step 31 of epoch 2"
    curve = [
        {"epoch": epoch, "train_loss": 0.02 / epoch, **scores(end + 30 * math.exp(-0.9 * epoch))}
        for epoch in range(1, epochs + 1)
    ]
    num_sources = len(settings["sources"])
    extra = {"parameters": 83_000 + 12_000 * num_sources, "seconds_per_clip": 0.011 + 0.001 * num_sources}
    blocks = 8 * epochs * num_sources
    computed = 8 * num_sources if number < 2 else 0
    return TrialRecord(
        trial=number,
        id=f"trial-{number:03d}",
        state=state,  # type: ignore[arg-type]
        reason=reason,
        seed=1000 + number,
        settings=settings,
        metrics={} if state == "failed" else {**scores(curve[-1]["mse"]), **extra},
        last_frame=LAST_FRAME,
        curve=curve,  # type: ignore[arg-type]
        epochs=epochs,
        started=STARTED + datetime.timedelta(seconds=20 * number),
        duration_s=7.5 * epochs,
        memory={"ready": blocks - computed, "computed": computed, "waited_s": 0.4 * computed, "bytes": 2e6 * blocks},
    )


def scores(mse: float) -> dict[str, float]:
    return {"mse": mse, "ssim": 0.95 - mse / 400, "psnr": 30 - mse / 6}


def provenance(label: str, synthetic: bool) -> dict[str, Any]:
    card = {"synthetic": True, "weights_sha256": "9f2c" * 16, "score": {"mse": 61.2}, "last_frame": {"mse": 140.5}}
    return {
        "benchmark": label,
        "synthetic": synthetic,
        "fingerprints": {"train": "c1f0" * 16, "validation": "77aa" * 16, "test": "0b9e" * 16},
        "sources": {name: {"benchmark": f"flying_{name} (synthetic)", **card} for name in SOURCES},
        "seed": 0,
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "hardware": {"cpu_cores": 2, "gpu": "none"},
        "code": {"version": "0.1.0", "commit": "5d8a" * 10, "has_changes": True},
        "threads": 1,
        "resumed": [{"started": "2026-03-02T08:00:00+00:00", "versions": {"torch": "2.13.1"}}],
    }


def moving_digits(num_clips: int, generator: np.random.Generator) -> np.ndarray:
    """Handwritten digits on a straight path, bouncing; uint8 (N, 20, 64, 64, 1)."""
    images = load_digits().images
    clips = np.zeros((num_clips, 20, 64, 64, 1), np.uint8)
    for clip in clips:
        glyph = (resize(images[generator.integers(len(images))] / 16, (24, 24)) * 255).astype(np.uint8)
        place, speed = generator.uniform(0, 40, 2), generator.uniform(-4, 4, 2)
        for frame in clip:
            speed = np.where((place + speed < 0) | (place + speed > 40), -speed, speed)
            place = place + speed
            y, x = place.astype(int)
            frame[y : y + 24, x : x + 24, 0] = glyph
    return clips


def blurred(clips: np.ndarray, input_length: int) -> np.ndarray:
    """What a short training gives: right places, edges lost the more the farther ahead; (N, 19, 64, 64, 1)."""
    future = clips[:, 1:].copy()
    for step in range(input_length - 1, future.shape[1]):
        for clip in range(len(future)):
            width = 0.4 * (step - input_length + 2) * (1 + 0.2 * clip)
            future[clip, step, ..., 0] = gaussian(future[clip, step, ..., 0], width, preserve_range=True)
    return future
