"""What a source's card says: enough to rebuild the network, to trust its weights, and to know what it learned."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt

from platform.config.model import Model
from platform.config.network import NetworkConfig
from platform.config.run import MOST_SOURCES
from platform.config.training import PretrainingConfig
from platform.config.trial import GateConfig

CARD_SCHEMA: Literal[1] = 1
WEIGHTS = "weights.safetensors"  # the two files of a source
CARD = "card.json"


class TrainingData(Model):
    """On which clips a source was pretrained."""

    label: str  # "flying_digits_2 (synthetic)"
    synthetic: bool
    fingerprint: str | None = None  # of the training clips; None of an imported network
    input_length: PositiveInt | None = None
    total_length: PositiveInt | None = None


class Transfer(Model):
    """The TMU layers of a source that was itself a target."""

    gates: GateConfig
    # Channels of the memories it distils, by name.
    sources: Annotated[dict[str, PositiveInt], Field(max_length=MOST_SOURCES)]


class Card(Model):
    """One source of the bank. A score may be infinite: the psnr of identical frames."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    schema_version: Literal[1] = CARD_SCHEMA
    name: str
    network: NetworkConfig
    transfer: Transfer | None = None
    channels: PositiveInt
    frame_size: PositiveInt | None  # side of the frames it reads; None: any, it runs at the size of the clips
    weights_sha256: str
    recipe: str | None = None  # of a source that the platform pretrained; see `recipe_hash`
    imported_from: str | None = None  # the checkpoint file of one that was imported
    data: TrainingData
    pretraining: PretrainingConfig | None = None
    score: dict[str, float] = {}  # on validation clips: mse, ssim, psnr
    last_frame: dict[str, float] = {}  # the same for copying the last frame
    parameters: NonNegativeInt
    duration_s: float = 0.0
    created: str
    versions: dict[str, str] = {}

    @property
    def function_sha256(self) -> str:
        """Changes with anything that decides what the network computes. Weights alone do not tell: a network without
        layer norm has the same ones at every frame size, patch size and number of channels that its shapes allow."""
        parts = self.model_dump(
            mode="json", include={"weights_sha256", "network", "transfer", "channels", "frame_size"}
        )
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recipe_hash(network: NetworkConfig, pretraining: PretrainingConfig, data: TrainingData, frame_size: int) -> str:
    """16 hex digits that change with anything that decides what pretraining yields.

    How many readers help does not; nor does a precision that was left to the machine, or machines would not share
    sources.
    """
    free = {"readers", "compile", *(["precision"] if pretraining.precision == "auto" else [])}
    parts: dict[str, Any] = {
        "network": network.model_dump(mode="json"),
        "pretraining": pretraining.model_dump(mode="json", exclude=free),
        "data": data.model_dump(mode="json"),
        "frame_size": frame_size,
        "schema": CARD_SCHEMA,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
