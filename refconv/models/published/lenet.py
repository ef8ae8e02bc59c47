"""Published figures of LeNet-5 and its ancestor, the neocognitron."""

from refconv.models.lenet import INPUT_SHAPE, lenet
from refconv.models.neocognitron import INPUT_SHAPE as NEOCOGNITRON_INPUT
from refconv.models.neocognitron import neocognitron
from refconv.models.published.claim import Claim, Table, stages

STRIDES = "the paper's distances between cells are not integers; our network has strides"


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    paper = lenet("paper")
    at = stages(paper, INPUT_SHAPE)
    sizes = {"c1": "28×28×6", "s2": "14×14×6", "c3": "10×10×16", "s4": "5×5×16", "c5": "1×1×120", "f6": "84", "scores": "10"}
    counts = {"c1": "156", "s2": "12", "c3": "1,516", "s4": "32", "c5": "48,120", "f6": "10,164"}
    total = sum(at[name].layer.count_parameters(at[name].input) for name in counts)
    cells = stages(neocognitron(), NEOCOGNITRON_INPUT)
    planes = {"s1": "16×16×24", "c1": "10×10×24", "s2": "8×8×24", "c2": "6×6×24", "s3": "2×2×24", "c3": "1×1×24"}
    return [
        Table(
            "Neocognitron (1980): cells of each layer",
            [Claim(n, p, cells[n].output, STRIDES if n in ("c1", "c2", "s3") else "") for n, p in planes.items()],
        ),
        Table(
            "LeNet-5 (1998), Figure 2 and section II-B",
            [
                *(Claim(f"{name}, size", printed, at[name].output) for name, printed in sizes.items()),
                *(Claim(f"{n}, parameters", p, at[n].layer.count_parameters(at[n].input)) for n, p in counts.items()),
                Claim("parameters without the output layer", "60,000", total),
                Claim("parameters, in the lectures", "~60K", lenet().count_parameters(INPUT_SHAPE)),
            ],
        ),
    ]
