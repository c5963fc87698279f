"""Networks of transferable memory: recurrent cells, transfer gates, the unrolled predictor, the losses.

Imports torch and the standard library, nothing else.
"""

from tmu_models.convlstm import ConvLSTMCell, LSTMState
from tmu_models.errors import ShapeError
from tmu_models.losses import distillation_loss, prediction_loss
from tmu_models.network import Prediction, VideoPredictor
from tmu_models.patches import from_patches, to_patches
from tmu_models.tmu import TMUCell, TransferGates

__all__ = [
    "ConvLSTMCell",
    "LSTMState",
    "Prediction",
    "ShapeError",
    "TMUCell",
    "TransferGates",
    "VideoPredictor",
    "distillation_loss",
    "from_patches",
    "prediction_loss",
    "to_patches",
]
