"""Tests of the experiment on captions: scenes, sentences, causality and derivatives."""

import numpy as np
import pytest

from evidence import needs_kernels

pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import Settings, captioning, scenes
from experiments.captioning import EXAMPLE, LENGTH, LOSS, VOCABULARY, captioner, decode, encode, write
from experiments.scenes import COLOURS, KINDS, NEW_KINDS, SHAPES, SIZES, Thing, caption, draw, draw_scenes
from refconv import nn

CIRCLE = Thing("small", "red", "circle", 6, 12)
SQUARE = Thing("large", "blue", "square", 20, 14)
RING = Thing("small", "white", "ring", 9, 26)


@pytest.mark.parametrize(
    ("scene", "sentence"),
    [
        ([SQUARE], "a large blue square"),
        ([CIRCLE, SQUARE], "a small red circle above a large blue square"),
        ([SQUARE, CIRCLE], "a small red circle above a large blue square"),
        ([RING, CIRCLE], "a small red circle left of a small white ring"),
        ([RING, SQUARE], "a large blue square left of a small white ring"),  # 12 pixels to the right, 11 pixels above
        ([CIRCLE, CIRCLE._replace(y=25)], "a small red circle above a small red circle"),
    ],
)
def test_the_sentence_mentions_the_upper_or_left_object_first(scene, sentence):
    assert caption(scene) == sentence


def test_each_object_has_its_colour_size_and_place():
    image = draw([CIRCLE, SQUARE, RING], np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.float32
    for thing in (CIRCLE, SQUARE):
        np.testing.assert_allclose(image[thing.y - 1, thing.x - 1], COLOURS[thing.colour], atol=0.2)  # five times the noise
    assert image[RING.y, RING.x].max() < 0.45  # the hole of the ring
    assert image[RING.y, RING.x + 3].min() > 0.75
    assert image[20 - 5, 14 + 5, 2] > 0.7  # inside the large square
    assert image[6 - 3, 12 + 3].max() < 0.45  # outside the small circle, inside a square of its size


def test_a_triangle_points_up_and_shapes_differ():
    areas = {}
    for shape in SHAPES:
        image = draw([Thing("large", "white", shape, 16, 16)], np.random.default_rng(1))
        areas[shape] = image.mean(axis=-1) > 0.6
    assert areas["triangle"][21].sum() > 2 * areas["triangle"][13].sum() > 0
    counts = [inside.sum() for inside in areas.values()]
    assert len(set(counts)) == len(SHAPES)


def test_random_scenes_are_clear_and_have_the_requested_kinds():
    images, some = draw_scenes(60, np.random.default_rng(2))
    assert images.shape == (60, 32, 32, 3)
    assert {len(scene) for scene in some} == {1, 2}
    assert all((thing.colour, thing.shape) in KINDS for scene in some for thing in scene)
    for one, other in (scene for scene in some if len(scene) == 2):
        far, near = max(abs(one.y - other.y), abs(one.x - other.x)), min(abs(one.y - other.y), abs(one.x - other.x))
        assert far > SIZES[one.size] + SIZES[other.size]
        assert far - near > scenes.MARGIN
    _, others = draw_scenes(20, np.random.default_rng(3), kinds=NEW_KINDS, single=1)
    assert {(thing.colour, thing.shape) for (thing,) in others} == set(NEW_KINDS)


def test_each_colour_and_each_shape_occurs_in_training_but_new_pairs_do_not():
    assert not set(KINDS) & set(NEW_KINDS)
    assert {colour for colour, _ in KINDS} == set(COLOURS)
    assert {shape for _, shape in KINDS} == set(SHAPES)


def test_excluded_sentences_are_not_drawn():
    every = {f"a {size} {colour} {shape}" for size in SIZES for colour, shape in KINDS}
    _, single = draw_scenes(9, np.random.default_rng(4), single=1, without=every - {"a large red cross"})
    assert {caption(scene) for scene in single} == {"a large red cross"}


def test_a_sentence_of_greatest_length_becomes_numbers_and_words_again():
    sentence = "a small red circle left of a large blue square"
    words = encode([sentence, "a large red ring"])
    assert words.shape == (2, LENGTH + 1)
    assert [VOCABULARY[number] for number in words[1, :7]] == ["<start>", "a", "large", "red", "ring", "<end>", "<padding>"]
    assert decode(words[0, 1:]) == sentence
    assert decode(words[0, 1:4]) == "a small red"  # a sentence without an end


def examples(count, dtype=np.float32):
    images, some = draw_scenes(count, np.random.default_rng(5))
    words = encode([caption(scene) for scene in some])
    x = np.zeros(count, [("image", dtype, images.shape[1:]), ("words", np.intp, LENGTH)])
    x["image"], x["words"] = images, words[:, :-1]
    return x, words[:, 1:]


@pytest.fixture(scope="module")
def model():
    model = captioner(nn.AvgPool2D(2))
    model.build((), rng=6)
    return model


@needs_kernels
@pytest.mark.parametrize("step", [0, 4, LENGTH - 1])
def test_a_word_changes_its_own_score_and_later_ones_but_none_before(model, step):
    """D12: in training, all words of a sentence are predicted at once."""
    x, _ = examples(3)
    changed = x.copy()
    changed["words"][:, step] = (x["words"][:, step] + 7) % len(VOCABULARY)
    before, after = model(x), model(changed)
    np.testing.assert_array_equal(after[:, :step], before[:, :step])
    differs = np.abs(after - before).max(axis=(0, 2)) > 1e-3
    assert differs[step : step + 8].all()


@needs_kernels
def test_the_image_changes_the_scores_at_every_word(model):
    x, _ = examples(4)
    other = x.copy()
    other["image"] = x["image"][::-1]
    assert (np.abs(model(other) - model(x)).max(axis=(0, 2)) > 1e-3).all()


@needs_kernels
def test_padding_has_no_gradient(model):
    x, following = examples(6)
    _, dscores = LOSS(model(x), following)
    padding = following == captioning.PADDING
    assert padding.any()
    assert not dscores[padding].any()
    assert dscores[~padding].any(axis=-1).all()


@needs_kernels
def test_the_gradient_of_each_part_is_the_derivative_of_the_loss():
    x, following = examples(3, np.float64)
    model = captioner(nn.AvgPool2D(2))
    model.build((), rng=7, dtype=np.float64)
    model.zero_grad()
    scores, backward = model.forward(x)
    backward(LOSS(scores, following)[1])
    rng = np.random.default_rng(8)
    for name in ("features.0.w", "summary.2.w", "embedding.w", "predictor.1.w"):
        parameter = model.named_parameters()[name]
        along, start, losses = rng.standard_normal(parameter.value.shape), parameter.value.copy(), []
        for step in (1e-6, -1e-6):
            parameter.value = start + step * along
            losses.append(LOSS(model.forward(x)[0], following)[0])
        parameter.value = start
        # The error of the difference is about 1e-16 / 1e-6, relative to a loss of about 3.
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx((parameter.grad * along).sum(), rel=1e-5, abs=1e-8), name


@needs_kernels
# Two steps are few, so the averages do lag behind the weights.
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")
def test_pretraining_changes_the_features_and_freezes_them():
    x, following = examples(5)
    model = captioner(nn.GlobalAvgPool2D())
    model.build((), rng=9)
    before = model["features"][0].parameters["w"].value.copy()
    captioning.pretrain(model["features"], Settings(quick=True))
    assert (model["features"][0].parameters["w"].value != before).any()
    scores, backward = model.forward(x)
    model.zero_grad()
    backward(LOSS(scores, following)[1])
    trained = {name for name, parameter in model.named_parameters().items() if parameter.trainable}
    assert not any(name.startswith("features") for name in trained)
    assert not model["features"][0].parameters["w"].grad.any()
    assert all(model.named_parameters()[name].grad.any() for name in trained)


def test_writing_appends_the_best_word_until_the_end():
    chains = ["a small red ring", "a large green cross"]

    def model(x):
        """Score the word that follows the last word in the chain of this image."""
        scores = np.zeros((len(x), LENGTH, len(VOCABULARY)))
        for k, record in enumerate(x):
            words = encode([chains[int(record["image"].max())]])[0].tolist()
            for t, word in enumerate(record["words"]):
                scores[k, t, words[words.index(word) + 1] if word in words[:-1] else captioning.END] = 1
        return scores

    images = np.zeros((3, *EXAMPLE["image"].shape), np.float32)
    images[1] = 1
    assert write(model, images) == [chains[0], chains[1], chains[0]]


@needs_kernels
# The quick variant takes few steps, so the averages do lag behind the weights.
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")
@pytest.mark.parametrize("variant", ["the most common sentence", "frozen features on"])
def test_each_variant_measures_three_tests(variant):
    (run,) = (run for name, run in captioning.EXPERIMENT.variants.items() if name.startswith(variant))
    results = run(Settings(quick=True))
    assert len(results) == 3
    assert all(0 <= share <= 100 for share in results.values())
