"""Networks of transferable memory: recurrent cells, transfer gates, the unrolled predictor, the losses.

Imports torch and the standard library, nothing else.
"""

from tmu_models.cell import Cell, CellState, CellStep
from tmu_models.checkpoint import load_own_checkpoint
from tmu_models.convlstm import ConvLSTMCell
from tmu_models.errors import CheckpointError, ShapeError
from tmu_models.losses import Moments, StartingPoint, distillation_loss, output_distillation_loss, prediction_loss
from tmu_models.network import Prediction, VideoPredictor
from tmu_models.patches import from_patches, to_patches
from tmu_models.pointwise import Fused, fused_pointwise
from tmu_models.reference import load_reference_checkpoint
from tmu_models.tmu import TMUCell, TransferGates

__all__ = [
    "Cell",
    "CellState",
    "CellStep",
    "CheckpointError",
    "ConvLSTMCell",
    "Fused",
    "Moments",
    "Prediction",
    "ShapeError",
    "StartingPoint",
    "TMUCell",
    "TransferGates",
    "VideoPredictor",
    "distillation_loss",
    "from_patches",
    "fused_pointwise",
    "load_own_checkpoint",
    "load_reference_checkpoint",
    "output_distillation_loss",
    "prediction_loss",
    "to_patches",
]
