"""Rows of the table.

To add a row, add it to ROWS; a problem of a new kind needs a class in ``benchmarks/problems``.
"""

from benchmarks import peers
from benchmarks.problem import Row, both
from benchmarks.problems.convolution import Convolution, Depthwise, Transposed
from benchmarks.problems.dense import CrossEntropy, Dense
from benchmarks.problems.elementwise import BatchNorm, BatchNormInference, GroupNorm, ReLU
from benchmarks.problems.lenet import LeNetStep
from benchmarks.problems.losses import ElementLoss
from benchmarks.problems.network import Network
from benchmarks.problems.pooled import Pooled
from benchmarks.problems.pooling import MaxPooling
from benchmarks.problems.training import TrainingStep

__all__ = ["ROWS", "chosen"]

# Name, images, pixels per side, input channels, output channels; then the bars of forward and backward. Complete networks are
# compared with the fastest of all libraries, the other rows with PyTorch.
ROWS = (
    *both(Convolution("LeNet conv1", 64, 32, 1, 6, kernel=5, first=True), 2.5, 2.0),
    *both(Convolution("LeNet conv2", 64, 14, 6, 16, kernel=5), 1.2, 1.4),
    *both(Pooled("LeNet conv1, ReLU, pool", 64, 32, 1, 6, kernel=5, first=True), 2.5, 2.0),
    *both(Pooled("LeNet conv2, ReLU, pool", 64, 14, 6, 16, kernel=5), 1.2, 1.4),
    *both(Convolution("3×3, 64 channels", 16, 32, 64, 64, padding=1), 1.6, 1.5),
    *both(Convolution("3×3, 256 channels", 4, 56, 256, 256, padding=1), 1.6, 1.5),
    *both(Convolution("3×3, float64", 16, 32, 64, 64, padding=1, dtype="float64"), 2.5, 2.5),
    *both(Convolution("ResNet conv1, 7×7 stride 2", 4, 224, 3, 64, kernel=7, stride=2, padding=3), 0.95, 1.05),
    *both(Convolution("1×1", 4, 56, 256, 64, kernel=1), 0.95, 1.05),
    *both(Convolution("3×3 stride 2", 4, 56, 128, 128, stride=2, padding=1), 0.95, 1.05),
    *both(Convolution("3×3 dilation 2", 4, 56, 64, 64, padding=2, dilation=2), 0.95, 1.05),
    *both(Depthwise("depthwise 3×3", 4, 112, 32, 32, padding=1), 1.2, 1.2),
    *both(Depthwise("depthwise 3×3 stride 2", 4, 56, 128, 128, stride=2, padding=1), 1.2, 1.2),
    *both(Convolution("3×3, 32 groups", 4, 56, 128, 128, padding=1, groups=32), 1.8, 2.3),
    *both(Transposed("transposed 2×2 stride 2", 4, 28, 128, 64, kernel=2, stride=2), 1.15, 1.15),
    *both(MaxPooling("max pool 2×2", 64, 28, 6, window=2, stride=2), 2.0, 2.0),
    *both(MaxPooling("max pool 3×3 stride 2", 16, 112, 64, window=3, stride=2, padding=1), 2.0, 2.0),
    *both(BatchNorm("batch norm, training", 32, 56, 64), 1.8, 0.9),
    Row(BatchNormInference("batch norm, inference", 32, 56, 64), "forward", 1.0),
    *both(GroupNorm("group norm", 32, 56, 64), 1.8, 1.3),
    Row(ReLU("ReLU", 32, 56, 64), "forward", 1.0),
    *both(Dense("dense 400 to 120", 64, 400, 120)),
    *both(Dense("dense 4096 to 1024", 128, 4096, 1024)),
    Row(CrossEntropy("softmax and cross-entropy", 128, 1000), "both"),
    Row(CrossEntropy("cross-entropy of pixels, 2 classes", 131_072, 2), "both"),
    Row(CrossEntropy("cross-entropy of pixels, 21 classes", 65_536, 21), "both"),
    Row(ElementLoss("mean squared error", 393_216, binary=False), "both"),
    Row(ElementLoss("binary cross-entropy", 131_072, binary=True), "both"),
    Row(LeNetStep("LeNet-5, batch 64", 64), "training step", 3.0),
    Row(LeNetStep("LeNet-5, batch 128", 128), "training step", 3.0),
    Row(TrainingStep("ResNet-20, batch 128", "resnet20", 128, 32), "training step", 1.6),
    Row(TrainingStep("ResNet-18, batch 16", "resnet18", 16, 64), "training step", 1.3),
    Row(TrainingStep("DenseNet-121, batch 16", "densenet121", 16, 64), "training step", 1.3),
    Row(TrainingStep("small U-Net, batch 16", "unet-small", 16, 92), "training step", 1.3),
    *(
        Row(Network(f"{title}, batch {images}", model, images), "inference", 0.95, peers.ALL)
        for title, model in (
            ("VGG-16", "vgg-d"),
            ("ResNet-18", "resnet18"),
            ("ResNet-50", "resnet50"),
            ("ResNeXt-50", "resnext50"),
            ("GoogLeNet", "googlenet"),
            ("DenseNet-121", "densenet121"),
            ("MobileNet", "mobilenet"),
        )
        for images in (1, 8)
    ),
)


def chosen(texts):
    """Return the rows whose names contain one of the texts, or all rows if there are no texts.

    Upper and lower case are not distinguished, and x stands for ×.
    """
    matches = {text: [row for row in ROWS if _plain(text) in _plain(row.name)] for text in texts}
    for text, its_rows in matches.items():
        if not its_rows:
            raise ValueError(f"no row's name contains {text!r}; the rows are: {'; '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if not texts or any(row in its_rows for its_rows in matches.values())]


def _plain(text):
    return text.lower().replace("×", "x")
