"""Large networks gain more from several machines than small ones.

    python figures/machines.py --measure --show

Each line is the model of benchmarks/machines.py, for a batch that all machines share: 64 images with LeNet-5 and ResNet-50,
128 with ResNet-20. Steps of one process on all threads, and exchanges of two processes through TCP, limited to 1 Gbit/s, were
measured; the lines follow from them. They assume that all machines are like this one, that the network has its full speed
between all of them at the same time, and that no message overlaps with the computation. The measurement needs MPICH and root.
"""

import canvas

from benchmarks.machines import GIGABITS, MACHINES, NETWORKS, Model, links_of, measure

LABELS = {"lenet": "LeNet-5", "resnet20": "ResNet-20", "resnet50": "ResNet-50"}
LINES = {1: "--", 25: "-"}


def measured():
    """Return the rows of the benchmark, for shared memory and a link of 1 Gbit/s."""
    return measure([GIGABITS[0]])


def draw(rows):
    """Draw the speed of several machines, solid at 25 Gbit/s and dashed at 1 Gbit/s."""
    figure = canvas.canvas("Large networks gain more from several machines than small ones")
    axes = figure.add_subplot()
    model = Model(rows, links_of(rows)[-1], max(row["threads"] for row in rows))
    axes.plot([1, *MACHINES], [1, *MACHINES], color=canvas.GREY, linewidth=1, linestyle=":")
    axes.text(21, 26, "ideal", color=canvas.GREY, ha="right", va="center")
    ends = []
    for name, colour in zip(NETWORKS, (canvas.ORANGE, canvas.BLUE, canvas.GREEN), strict=True):
        alone = sum(model.seconds(name, 1))
        for gigabits in GIGABITS:
            faster = [1.0, *(alone / sum(model.seconds(name, machines, gigabits)) for machines in MACHINES)]
            axes.plot([1, *MACHINES], faster, LINES[gigabits], color=colour, marker="o", markersize=5)
            ends.append((faster[-1], f"{LABELS[name]}, {gigabits} Gbit/s", colour))
    height = 0.0
    for end, label, colour in sorted(ends):
        height = max(end, 1.25 * height)  # labels must not overlap
        axes.text(MACHINES[-1] * 1.1, height, label, color=colour, va="center")
    axes.set(xscale="log", yscale="log", xlim=(0.9, 64 * 5), ylim=(0.5, 80))
    axes.set(xlabel="machines", ylabel="speed, compared with one machine")
    axes.set_xticks([1, *MACHINES], [1, *MACHINES])
    axes.set_yticks([1, *MACHINES], [1, *MACHINES])
    axes.minorticks_off()
    return figure


if __name__ == "__main__":
    canvas.main(draw, measured)
