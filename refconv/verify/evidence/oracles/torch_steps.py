"""PyTorch: steps of optimisers, gradient clipping and running averages.

The conventions of PyTorch differ in four places. Each is converted by one function:

- torch.optim stores the velocity without the learning rate, v = −α·buffer. So when α changes, the buffer is scaled by the old
  α divided by the new one.
- torch.optim.RMSprop supports ε only outside the root.
- clip_grad_norm_ divides by ‖g‖ + 10⁻⁶.
- batch_norm weights the new average by its ``momentum``, and averages the unbiased variance.
"""

from refconv.verify.catalogue.steps import NAMES, moves
from refconv.verify.evidence.oracles.options import FIRST, options

__all__ = ["FUNCTIONS", "evaluate"]

CLIP_EPS = 1e-6


def evaluate(name, a):
    """Return the output without derivatives, or None if PyTorch does not support these options."""
    import torch

    arrays = {key: torch.tensor(array, dtype=torch.float64) for key, array in a.arrays.items()}
    y = FUNCTIONS[name](torch, options(name, a), **arrays)
    return None if y is None else {"y": y.numpy()}


def steps(make, keys):
    """Return a function that takes one step for each learning rate.

    ``keys`` are the names of the buffers that contain velocities.
    """

    def run(torch, o, dy=None, **arrays):
        theta = {name: arrays[name].clone() for name in NAMES if name in arrays}
        decays = [0.0 if o.decayed == "weights" and p.ndim == 1 else o.weight_decay for p in theta.values()]
        groups = [{"params": [p], "weight_decay": decay} for p, decay in zip(theta.values(), decays, strict=True)]
        optimizer = make(torch, groups, o)
        if optimizer is None:
            return None
        rates = [float(lr) for lr in o.lr]
        for step, (old, lr) in enumerate(zip([rates[0], *rates[:-1]], rates, strict=True)):
            for group, (name, parameter) in zip(optimizer.param_groups, theta.items(), strict=True):
                # PyTorch does not change a parameter whose gradient is None.
                group["lr"], parameter.grad = lr, arrays[f"d{name}"][step] if moves(name, step) else None
                for key in keys & optimizer.state[parameter].keys():
                    optimizer.state[parameter][key] *= old / lr
            optimizer.step()
        return torch.cat([parameter.flatten() for parameter in theta.values()])

    return run


def sgd(torch, groups, o):
    if o.nesterov and not o.momentum:
        return None  # PyTorch refuses this
    return torch.optim.SGD(groups, 1.0, momentum=o.momentum, nesterov=o.nesterov)


def rmsprop(torch, groups, o):
    if o.eps_inside_sqrt:
        return None
    return torch.optim.RMSprop(groups, 1.0, alpha=o.rho, eps=o.eps, momentum=o.momentum)


def adam(torch, groups, o):
    return torch.optim.Adam(groups, 1.0, betas=(o.beta1, o.beta2), eps=o.eps)


def adamw(torch, groups, o):
    return torch.optim.AdamW(groups, 1.0, betas=(o.beta1, o.beta2), eps=o.eps)


def clip_by_global_norm(torch, o, w, b, dy=None):
    theta = [torch.nn.Parameter(torch.zeros_like(g)) for g in (w, b)]
    for parameter, g in zip(theta, (w, b), strict=True):
        parameter.grad = g.clone()
    norm = torch.nn.utils.clip_grad_norm_(theta, o.max_norm)
    correction = (norm + CLIP_EPS) / norm if norm > o.max_norm else 1.0
    return torch.cat([*(parameter.grad.flatten() * correction for parameter in theta), norm[None]])


def running_average(torch, o, x, mean, var, dy=None, **batches):
    for batch in (x, batches["next"]):
        mean, var = updated_averages(torch, o, batch, mean, var)
    return torch.stack([mean, var])


def corrected_average(torch, o, x, mean, var, dy=None, **batches):
    """Compute running averages with Adam's bias correction, continuing from the given averages."""
    earlier = getattr(o, "updates", 0)
    if o.momentum == 1:
        return None  # the correction is 0/0
    mean, var = (a * (1 - o.momentum**earlier) for a in (mean, var))
    return running_average(torch, o, x, mean, var, **batches) / (1 - o.momentum ** (earlier + 2))


def updated_averages(torch, o, batch, mean, var):
    """Return the running averages after a batch; PyTorch's unbiased variance is converted."""
    batch = batch if o.data_format == FIRST else batch.movedim(-1, 1)
    M = batch.numel() // len(mean)
    old = var.clone()
    torch.nn.functional.batch_norm(batch, mean, var, training=True, momentum=1 - o.momentum)
    return mean, o.momentum * old + (var - o.momentum * old) * (M - 1) / M


def folded_batch_norm(torch, o, x, w, b, gamma, beta, mean, var, dy=None):
    """Compute a dense or convolution layer, then batch normalisation."""
    functions = torch.nn.functional
    if x.ndim == 2:
        y = functions.linear(x, w.T, b)
    else:
        y = functions.conv2d(x.movedim(-1, 1), w.permute(3, 2, 0, 1), b)
    y = functions.batch_norm(y, mean, var, gamma, beta, eps=o.eps)
    return y if x.ndim == 2 else y.movedim(1, -1)


FUNCTIONS = {
    "optim.SGD": steps(sgd, {"momentum_buffer"}),
    "optim.RMSProp": steps(rmsprop, {"momentum_buffer"}),
    "optim.Adam": steps(adam, set()),
    "optim.AdamW": steps(adamw, set()),
    "optim.clip_by_global_norm": clip_by_global_norm,
    "running_average": running_average,
    "corrected_average": corrected_average,
    "folded_batch_norm": folded_batch_norm,
}
