"""Event files for TensorBoard, for those who use it."""

from dataclasses import asdict

from refconv._optional import need

__all__ = ["tensorboard"]


def tensorboard(folder):
    """A function for ``on_epoch`` of :func:`fit` that writes each epoch's numbers where ``tensorboard --logdir`` finds them.

    Parameters
    ----------
    folder : path
        A folder for each run.

    Returns
    -------
    callable
        ``on_epoch(line)``; what was not measured is left out.

    Raises
    ------
    ImportError
        If tensorboardX is not installed.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=3, on_epoch=tensorboard("runs/first"))``
    """
    module = need("tensorboardX", "tensorboard", "writing for TensorBoard")
    writer = module.SummaryWriter(str(folder), flush_secs=1)  # an epoch is long; with 0 its thread would never sleep

    def on_epoch(line):
        numbers = {name: value for name, value in asdict(line).items() if name != "epoch" and value is not None}
        for name, value in {**numbers, "images_per_second": line.images_per_second}.items():
            writer.add_scalar(
                name.replace("_", "/", 1) if name.startswith(("train", "test", "valid")) else name, value, line.epoch
            )

    return on_epoch
