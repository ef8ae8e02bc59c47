"""Batch normalisation as a layer, with its running averages."""

from refconv._arguments import known_format, real, real_or_exact
from refconv._errors import ArgumentValueError
from refconv.nn.initializers import ones, zeros
from refconv.nn.layer import Layer, Spec
from refconv.ops.norm import batch_norm, batch_norm_grads, batch_norm_inference, batch_norm_inference_grads

__all__ = ["BatchNorm"]


class BatchNorm(Layer):
    r"""Batch normalisation of each channel, over the batch and all positions.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta, \qquad
              \hat\mu \leftarrow \tau \hat\mu + (1 - \tau) \mu, \quad
              \hat\sigma^2 \leftarrow \tau \hat\sigma^2 + (1 - \tau) \sigma^2

    In training μ and σ² are those of the batch, and the running averages follow them; in inference the averages stand in
    for them. σ² is the biased variance, in both.

    Parameters
    ----------
    momentum : float
        τ, the weight of the *old* average, as in the lecture and in Keras. PyTorch's ``momentum`` is 1 − τ.
    eps : float
        ε, in units of the variance.
    data_format : str
        "channels_last" or "channels_first".

    Raises
    ------
    TypeError, ValueError
        If momentum is not a number from 0 to 1, or eps not a finite one from 0 on.

    Examples
    --------
    >>> BatchNorm().count_parameters((14, 15, 6)), BatchNorm().count_parameters((14, 15, 6), trainable_only=True)
    (24, 12)

    Source: A13–A17; Ioffe and Szegedy, "Batch normalization", 2015.
    """

    category = "norm"
    training_settings = ("momentum",)

    def __init__(self, *, momentum=0.99, eps=1e-3, data_format="channels_last"):
        self.momentum = real("momentum", momentum, least=0, most=1)
        self.eps = real_or_exact("eps", eps, least=0)
        self.data_format = known_format(data_format)

    def output_shape(self, shape):
        return tuple(shape)

    def specs(self, shape):
        if not shape:
            raise ArgumentValueError(f"{self!r} takes an input with channels, got shape ()")
        channels = (shape[-1 if self.data_format == "channels_last" else 0],)
        return {
            "gamma": Spec(channels, ones),
            "beta": Spec(channels, zeros),
            "mean": Spec(channels, zeros, trainable=False),
            "var": Spec(channels, ones, trainable=False),
        }

    def forward(self, x, train=True):
        gamma, beta = self.parameters["gamma"], self.parameters["beta"]
        options = {"eps": self.eps, "data_format": self.data_format}
        if train:
            y, mean, var = batch_norm(x, gamma.value, beta.value, **options)
            self._follow("mean", mean)
            self._follow("var", var)
            gradients = batch_norm_grads
        else:
            # Copies: the averages may move on before the way back is taken.
            mean, var = self.parameters["mean"].value.copy(), self.parameters["var"].value.copy()
            y = batch_norm_inference(x, gamma.value, beta.value, mean, var, **options)
            gradients = batch_norm_inference_grads

        def backward(dy, want_dx=True):
            dx, dgamma, dbeta = gradients(dy, x, gamma.value, mean, var, **options)
            gamma.grad += dgamma
            beta.grad += dbeta
            return dx

        return y, backward

    def _follow(self, name, batch):
        average = self.parameters[name].value
        average *= self.momentum
        average += (1 - self.momentum) * batch

    def input_span(self, shape, span):
        return span

    def caption(self):
        return "BN"

    def __repr__(self):
        differs = [f"momentum {self.momentum}"] if self.momentum != 0.99 else []
        differs += [f"eps {self.eps}"] if self.eps != 1e-3 else []
        return f"BatchNorm({', '.join(differs)})"
