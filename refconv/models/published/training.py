"""Settings with which the papers train their networks on ImageNet.

Each setting has its source. A slide comes before a section of the paper; "slide" alone means the slide "Training details" of
the network. If both are silent, the setting is "not stated", and the note gives the reason for the value that a run takes. A
weight decay that is not stated is 0.0001, the usual value according to the lecture.
``python -m experiments settings`` trains small variants of the networks with these settings.
"""

from __future__ import annotations

from refconv._arguments import choice
from refconv.models.published.setting import NOT_STATED, Setting, Training, call

__all__ = ["TRAINING", "settings"]

SLIDE = "slide"
BN_PAPER = '"Batch normalization", section 4.2'

MOMENTUM = call("SGD", momentum=0.9)
RMSPROP = call("RMSProp", rho=0.9, momentum=0.9, eps=1.0)
CROPS = (call("scale", size=224, least=256, most=256), call("flip"))
SCALED_CROPS = (call("scale", size=224, least=256, most=480), call("flip"))
CENTRE = call("centre_crop", size=224, scales=(256,))

PLATEAU = Setting(
    "divided by 10 by hand when the validation error stops improving, three times",
    "slide; section 5",
    call("Plateau", patience=3, factor=0.1),
    "how long to wait is not stated; a run waits for 3 epochs",
)
USUAL_DECAY = Setting(NOT_STATED, "", 1e-4, "the usual value according to the lecture")
NO_SMOOTHING = Setting(
    "no label smoothing, which Inception-v3 was the first to use", "slide of Inception-v3", call("CrossEntropy")
)
UNSMOOTHED = Setting(NOT_STATED, "", call("CrossEntropy"), "no label smoothing")
NO_CLIPPING = Setting(NOT_STATED, "", None, "no clipping")
HE = call("he_normal")
DEFAULT_INITIALIZATION = Setting(NOT_STATED, "", HE, "as for ResNet")
ALEXNET_DROPOUT = Setting("0.5 in the two hidden dense layers", SLIDE, 0.5)

ALEXNET = Training(
    "alexnet",
    "alexnet",
    'Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012',
    batch_size=Setting("128", SLIDE, 128),
    optimizer=Setting("SGD with momentum 0.9", SLIDE, MOMENTUM),
    learning_rate=Setting("0.01", SLIDE, 0.01),
    schedule=PLATEAU,
    epochs=Setting("about 90", "section 5", 90),
    weight_decay=Setting("0.0005", SLIDE, 5e-4),
    augmentation=Setting(
        "random crops of 224 × 224 from 256 × 256 pixels, flips, colours shifted along their principal components",
        "slide; section 4.1 for the colours",
        CROPS,
        "no change of colours",
    ),
    initialization=Setting(
        "weights N(0, 0.01²); biases 1 in convolutions 2, 4 and 5 and in hidden dense layers, else 0",
        "section 5",
        HE,
        "as for ResNet, because 0.01 is too small for the fan-in of a narrow network",
    ),
    dropout=ALEXNET_DROPOUT,
    loss=NO_SMOOTHING,
    clipping=NO_CLIPPING,
    evaluation=Setting(
        "mean over 10 crops of 224 × 224 pixels: corners, centre and their reflections",
        SLIDE,
        call("ten_crops", size=224, scales=(256,)),
    ),
    accuracy=Setting("40.7 % top-1 error, one network", 'slide with the results of "VGG"', 59.3),
)

VGG = Training(
    "vgg",
    "vgg-d",
    'Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014',
    batch_size=Setting("256", SLIDE, 256),
    optimizer=Setting("SGD with momentum 0.9", SLIDE, MOMENTUM),
    learning_rate=Setting("0.01", SLIDE, 0.01),
    schedule=PLATEAU._replace(source="slide; section 3.1"),
    epochs=Setting("74", "section 3.1", 74),
    weight_decay=Setting("0.0005", SLIDE, 5e-4),
    augmentation=Setting(
        "shorter side from 256 to 512 pixels, random crops of 224 × 224, flips, shifted colours",
        "slide; section 3.1 for the colours",
        (call("scale", size=224, least=256, most=512), call("flip")),
        "no change of colours",
    ),
    initialization=Setting(
        "configuration A: weights N(0, 0.01), biases 0; the others begin with its first 4 convolutions and its dense layers",
        "section 3.1",
        HE,
        "as for ResNet, so that no other network must be trained before",
    ),
    dropout=ALEXNET_DROPOUT,
    loss=NO_SMOOTHING,
    clipping=NO_CLIPPING,
    evaluation=Setting(
        "dense evaluation, mean over shorter sides of 256, 384 and 512 pixels",
        SLIDE,
        call("ten_crops", size=224, scales=(256, 384, 512)),
        "ten crops at each size instead of all positions",
    ),
    accuracy=Setting("24.4 % top-1 error, one network", 'slide with the results of "VGG"', 75.6),
)

GOOGLENET = Training(
    "googlenet",
    "googlenet",
    'Szegedy et al., "Going deeper with convolutions", 2014',
    batch_size=Setting(NOT_STATED, "", 32, f"as for Inception in {BN_PAPER}"),
    optimizer=Setting("asynchronous SGD with momentum 0.9", "slide; section 6", MOMENTUM, "synchronous"),
    learning_rate=Setting(NOT_STATED, "", 0.0015, f"as for Inception in {BN_PAPER}"),
    schedule=Setting("4 % lower every 8 epochs", SLIDE, call("exponential", factor=0.96, every=8, epochs=774)),
    epochs=Setting(NOT_STATED, "", 774, 'for the 31.0 · 10⁶ steps of Inception in "Batch normalization", Figure 3'),
    weight_decay=USUAL_DECAY,
    augmentation=Setting(
        "crops of 8 % to 100 % of the area with aspect ratios from 3/4 to 4/3, changed colours",
        "section 6",
        (*CROPS, call("colour")),
        "AlexNet's crops and flips, because refconv has no crops of random aspect ratio",
    ),
    initialization=DEFAULT_INITIALIZATION,
    dropout=Setting("0.4 before the last layer, 0.7 in the auxiliary classifiers", "slide with Table 1; section 5", 0.4),
    loss=Setting("cross-entropy; auxiliary classifiers with weight 0.3", SLIDE, call("CrossEntropy", aux_weight=0.3)),
    clipping=NO_CLIPPING,
    evaluation=Setting(
        "144 crops at shorter sides of 256, 288, 320 and 352 pixels; averaged weights; seven networks",
        "slide; section 6 for the weights",
        call("ten_crops", size=224, scales=(256, 288, 320, 352)),
        "ten crops at each size, the last weights, one network",
    ),
    accuracy=Setting("29 % top-1 error, one network, one crop", 'slide with Table 3 of "Inception-v3"', 71.0),
)

BN_INCEPTION = Training(
    "bn-inception",
    "bn-inception",
    'Ioffe and Szegedy, "Batch normalization: accelerating deep network training", 2015: BN-x30',
    batch_size=Setting("32", "section 4.2", 32),
    optimizer=Setting("a version of SGD with momentum", "section 4.2", MOMENTUM, "0.9 as for GoogLeNet"),
    learning_rate=Setting("30 times the rate of Inception: 0.045", "slide with Figure 3; section 4.2.2", 0.045),
    schedule=Setting(
        "exponential, 6 times as fast as for Inception",
        "slide with Figure 3; section 4.2.1",
        call("exponential", factor=round(0.96**6, 4), every=8, epochs=150),
        "0.96⁶ every 8 epochs, since GoogLeNet's factor is 0.96",
    ),
    epochs=Setting("6 · 10⁶ steps of 32 images: 150 epochs", "section 4.2.2", 150),
    weight_decay=Setting(
        "a fifth of the decay of Inception", "slide with Figure 3", 2e-5, "0.00002, a fifth of the value for GoogLeNet"
    ),
    augmentation=Setting("colours changed less than for Inception", "section 4.2.1", CROPS, "no change of colours"),
    initialization=DEFAULT_INITIALIZATION,
    dropout=Setting("none", "slide with Figure 3", 0.0),
    loss=NO_SMOOTHING,
    clipping=NO_CLIPPING,
    evaluation=Setting("one crop", "slide with Figure 2", CENTRE),
    accuracy=Setting("74.8 % accuracy, one network, one crop", "slide with Figure 3", 74.8),
)

INCEPTION_V3 = Training(
    "inception-v3",
    "inception-v3",
    'Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015',
    batch_size=Setting("32 on each of 50 computers", "slide; section 8 for the 50", 32, "one computer"),
    optimizer=Setting(
        "RMSProp with momentum 0.9 and ε = 1.0; in the paper, 0.9 is the decay of the mean square",
        "slide; section 8",
        RMSPROP,
        "0.9 for both",
    ),
    learning_rate=Setting("0.045", SLIDE, 0.045),
    schedule=Setting("6 % lower every two epochs", SLIDE, call("exponential", factor=0.94, every=2, epochs=100)),
    epochs=Setting("100", SLIDE, 100),
    weight_decay=USUAL_DECAY,
    augmentation=Setting(
        "images of 299 × 299 pixels; else not stated",
        SLIDE,
        (call("scale", size=299, least=342, most=342), call("flip")),
        "crops and flips as for AlexNet",
    ),
    initialization=DEFAULT_INITIALIZATION,
    dropout=Setting(NOT_STATED, "", 0.2, "as in the released network"),
    loss=Setting(
        "label smoothing with α = 0.1; one auxiliary classifier",
        "slide; section 4",
        call("CrossEntropy", label_smoothing=0.1),
        "no auxiliary classifier in the small variant",
    ),
    clipping=Setting("at a norm of 2.0", SLIDE, 2.0),
    evaluation=Setting(
        "one crop; running average of the weights",
        "slide with Table 3; section 8",
        call("centre_crop", size=299, scales=(342,)),
        "the last weights",
    ),
    accuracy=Setting("21.2 % top-1 error, one network, one crop", "slide with Table 3", 78.8),
)

RESNET = Training(
    "resnet",
    "resnet50",
    'He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015',
    batch_size=Setting("256", SLIDE, 256),
    optimizer=Setting("SGD with momentum 0.9", SLIDE, MOMENTUM),
    learning_rate=Setting("0.1", SLIDE, 0.1),
    schedule=Setting(
        "divided by 10 when the error plateaus; according to a graph, at 25 % and 50 % of the training",
        SLIDE,
        call("step_down", at=(0.25, 0.5), factor=0.1),
    ),
    epochs=Setting("600,000 steps: 120 epochs", SLIDE, 120),
    weight_decay=Setting("0.0001", SLIDE, 1e-4),
    augmentation=Setting(
        "shorter side from 256 to 480 pixels, random crops of 224 × 224, flips, colours as for AlexNet",
        "slide; section 3.4 for flips and colours",
        SCALED_CROPS,
        "no change of colours",
    ),
    initialization=Setting("He et al., 2015: weights with variance 2 / fan-in", "section 3.4", HE),
    dropout=Setting("none", SLIDE, 0.0),
    loss=UNSMOOTHED,
    clipping=NO_CLIPPING,
    evaluation=Setting(
        "10 crops; for the best results, shorter sides of 224, 256, 384, 480 and 640 pixels",
        SLIDE,
        call("ten_crops", size=224, scales=(256,)),
        "10 crops at one size",
    ),
    accuracy=Setting("20.74 % top-1 error of ResNet-50, one network, several sizes", "slide with Table 4", 79.26),
)

DENSENET = Training(
    "densenet",
    "densenet121",
    'Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2016',
    batch_size=Setting("256", "section 4.2", 256),
    optimizer=Setting("SGD with Nesterov momentum 0.9", "section 4.2", call("SGD", momentum=0.9, nesterov=True)),
    learning_rate=Setting("0.1", "section 4.2", 0.1),
    schedule=Setting(
        "divided by 10 at epochs 30 and 60 of 90",
        "section 4.2",
        call("step_down", at=(30 / 90, 60 / 90), factor=0.1),
    ),
    epochs=Setting("90", "section 4.2", 90),
    weight_decay=Setting("0.0001", "section 4.2", 1e-4),
    augmentation=Setting("as for ResNet", "section 4.1", SCALED_CROPS, "no change of colours"),
    initialization=Setting("He et al., 2015, as for ResNet", "section 4.2", HE),
    dropout=Setting("none on ImageNet; 0.2 on data without augmentation", "section 4.2", 0.0),
    loss=UNSMOOTHED,
    clipping=NO_CLIPPING,
    evaluation=Setting("one crop or 10 crops", "section 4.1", CENTRE, "one crop"),
    accuracy=Setting("25.02 % top-1 error of DenseNet-121, one crop", "Table 3", 74.98),
)

LIKE_INCEPTION_V3 = "as for Inception-v3"

MOBILENET = Training(
    "mobilenet",
    "mobilenet",
    'Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017',
    batch_size=Setting(NOT_STATED, "", 32, LIKE_INCEPTION_V3),
    optimizer=Setting(
        "asynchronous RMSProp, similar to Inception-v3",
        "section 3.2",
        call("RMSProp", **RMSPROP.arguments, groups={"*.depthwise.w": {"weight_decay": 0.0}}),
        "synchronous",
    ),
    learning_rate=Setting(NOT_STATED, "", 0.045, LIKE_INCEPTION_V3),
    schedule=Setting(NOT_STATED, "", INCEPTION_V3.schedule.value, LIKE_INCEPTION_V3),
    epochs=Setting(NOT_STATED, "", 100, LIKE_INCEPTION_V3),
    weight_decay=Setting(
        "very little or none for depthwise filters; not stated for the others",
        "section 3.2",
        1e-4,
        "0 for depthwise filters, else 0.0001, the usual value according to the lecture",
    ),
    augmentation=Setting(
        "less than for Inception-v3; small crops are limited in size", "section 3.2", CROPS, "as for AlexNet"
    ),
    initialization=DEFAULT_INITIALIZATION,
    dropout=Setting(NOT_STATED, "", 0.0, "no dropout"),
    loss=Setting("no label smoothing, no auxiliary classifiers", "section 3.2", call("CrossEntropy")),
    clipping=NO_CLIPPING,
    evaluation=Setting(NOT_STATED, "", CENTRE, "one crop"),
    accuracy=Setting("70.6 % accuracy", "Table 8", 70.6),
)

TRAINING = {
    training.name: training for training in (ALEXNET, VGG, GOOGLENET, BN_INCEPTION, INCEPTION_V3, RESNET, DENSENET, MOBILENET)
}


def settings(name: str) -> Training:
    """Return the settings with which a paper trains its network.

    Parameters
    ----------
    name : str
        "alexnet", "vgg", "googlenet", "bn-inception", "inception-v3", "resnet", "densenet" or "mobilenet".

    Returns
    -------
    Training
        The settings, each with its source. They are data: names and arguments of functions, not objects.

    Raises
    ------
    ValueError
        If there are no settings of this name.

    Examples
    --------
    >>> settings("inception-v3").clipping
    Setting(printed='at a norm of 2.0', source='slide', value=2.0, note='')
    >>> name, arguments = settings("densenet").optimizer.value
    >>> name, arguments
    ('SGD', {'momentum': 0.9, 'nesterov': True})

    Source: lecture rows D8, A12, A20 and A21 (SOURCES.md).
    """
    return TRAINING[choice("name", name, TRAINING)]
