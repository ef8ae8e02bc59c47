"""Published figures of FractalNet, from its study of depth."""

from refconv.models.blocks import CIFAR
from refconv.models.fractalnet import FILTERS, fractalnet
from refconv.models.published.claim import Claim, Table

# Table 4: columns, depth, parameters, for CIFAR-100 and one quarter of the filters.
ROWS = ((1, "5", "0.3M"), (2, "10", "0.8M"), (3, "20", "2.1M"), (4, "40", "4.8M"), (5, "80", "10.2M"), (6, "160", "21.1M"))

FILTERS_REASON = "the count follows from the filters that FractalNet's own paper states: 64, 128, 256, 512 and 512"


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    claims = []
    for columns, depth, millions in ROWS:
        net = fractalnet(columns, classes=100, width=0.25)
        claims.append(Claim(f"{columns} columns, depth", depth, len(FILTERS) * net.fractals[0].rows))
        claims.append(Claim(f"{columns} columns, parameters", millions, net.count_parameters(CIFAR, True)))
    parameters = fractalnet(3).count_parameters(CIFAR, True)
    cited = Claim("21 layers, parameters", "38.6M", parameters, FILTERS_REASON)
    return [Table("FractalNet (2016), Table 4", claims), Table("FractalNet as DenseNet's Table 2 cites it", [cited])]
