"""Parameters, their specifications, and the flat arrays that contain them.

``Layer.build`` allocates one flat array for the values of a network and one for the gradients. Each parameter is a view of a
part of them. So an update, or the sum of gradients over several processes, is one pass over one array.
"""

from __future__ import annotations

import copy
import math
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import short_repr
from refconv.nn.initializers import Initializer
from refconv.typing import Array, ArrayLike, Shape

__all__ = ["MANY", "FlatArrays", "Parameter", "Parameters", "Spec", "allocate", "are_referenced", "flatten", "is_trained"]

# Value of a counter that is missing in a file of weights, as if after a long run: the largest number to which float32 counts.
MANY = 2.0**24


class FlatArrays:
    """Flat array of the values of several parameters, and flat array of their gradients.

    The values are not initialised.

    Trainable parameters come first; only they have gradients. So a parameter has the same index in both arrays, and the array
    of gradients is shorter. A view keeps the whole array in memory: see :meth:`refconv.nn.Layer.flatten_parameters`.

    Parameters
    ----------
    trainable, untrained : int
        Number of elements of the parameters with and without a gradient.
    dtype : numpy dtype
        Type of both arrays.

    Attributes
    ----------
    last_access : object
        A new object after each access to ``values``: see :func:`are_referenced`.
    """

    def __init__(self, trainable: int, untrained: int, dtype: DTypeLike) -> None:
        # Every value is written later. With np.empty, NumPy requests huge pages, whose first use takes a tenth of the time.
        self._values = np.empty(trainable + untrained, dtype)
        self.last_access = object()
        # With np.zeros, gradients that are never written, as in inference, take no memory.
        self.gradients = np.zeros(trainable, dtype)

    @property
    def values(self) -> Array:
        values = self._values  # first, so that another thread sees the reference or the new object
        self.last_access = object()
        return values


class Parameter:
    """Array of a layer together with its gradient, which accumulates.

    Assigning to ``value`` or ``grad`` copies into the existing array, so an optimiser's views of it stay valid:
    ``parameter.value = array`` is ``parameter.value[...] = array`` with a check of the shape.

    Parameters
    ----------
    value : array
        Initial values. Optimisers change them in place.
    trainable : bool
        True if there is a gradient. The running averages of batch normalisation have none.

    Attributes
    ----------
    frozen : bool
        True while optimisers must not change the value; the gradient is still computed.
    flat : FlatArrays or None
        The arrays that value and grad are views of, if :meth:`refconv.nn.Layer.build` made the parameter.
    offset : int
        Index of the first element in ``flat.values`` and in ``flat.gradients``.
    last_access : object
        A new object after each access to ``value``: see :func:`are_referenced`.

    Examples
    --------
    >>> b = Parameter(np.zeros(3))
    >>> b.value = [1, 2, 5]
    >>> b.value, b.grad
    (array([1., 2., 5.]), array([0., 0., 0.]))

    Source: lecture row A12 (SOURCES.md).
    """

    def __init__(self, value: Array, trainable: bool = True) -> None:
        self._value: Array = value
        self.last_access = object()
        self._grad: Any = np.zeros_like(value) if trainable else None
        self.frozen = False
        self.flat: FlatArrays | None = None
        self.offset = 0
        self.relocatable = False  # True if build allocated the arrays, so nothing else refers to them

    @property
    def value(self) -> Array:
        value = self._value  # first, so that another thread sees the reference or the new object
        self.last_access = object()
        return value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:  # `parameter.value += change` assigns the array to itself
            _write("value", self.value, new)

    @property
    def stored(self) -> Array:
        """Array that contains the value: ``flat.values``, or ``value``.

        It is only for reading, and reading it is not counted as an access.
        """
        return self._value if self.flat is None else self.flat._values

    @property
    def grad(self) -> Any:  # array or None; "| None" would need checks in every backward function
        return self._grad

    @grad.setter
    def grad(self, new: ArrayLike) -> None:
        if new is self._grad:
            return
        if self._grad is None:
            raise ArgumentValueError(f"grad must be None, got {new!r}: this parameter is not trainable")
        _write("grad", self._grad, new)

    @property
    def trainable(self) -> bool:
        return self._grad is not None and not self.frozen

    def replace_array(self, value: Array) -> None:
        """Replace the array by one of the same shape and any dtype; set the gradient to zero.

        The parameter is then not a view of the flat arrays, so optimisers update it separately. Tests use this for fractions
        and symbols.
        """
        if value.shape != self._value.shape:
            raise ArgumentValueError(f"value must have shape {self._value.shape}, got shape {value.shape}")
        self._value, self._grad = value, None if self._grad is None else np.zeros_like(value)
        self.flat, self.offset, self.relocatable = None, 0, False
        self.last_access = object()

    def move_to(self, flat: FlatArrays, offset: int) -> None:
        """Copy value and grad into flat arrays at this offset, and make them views of these arrays."""
        value, grad = self._value, self._grad
        self._bind(flat, offset, value.shape)
        self._value[...] = value
        if grad is not None:
            self._grad[...] = grad

    def viewed(self, shape: Shape) -> Parameter:
        """Return a parameter of another shape whose value and gradient are views of the same arrays.

        >>> w = Parameter(np.array([1.0, 2.0, 5.0, 7.0, 0.0, 9.0]))
        >>> w.viewed((3, 2)).value[1, 0] = 4
        >>> w.value
        array([1., 2., 4., 7., 0., 9.])
        """
        view = Parameter(self._value.reshape(shape), False)
        view._grad = None if self._grad is None else self._grad.reshape(shape)
        view.frozen = self.frozen
        return view

    def _bind(self, flat: FlatArrays, offset: int, shape: Shape) -> None:
        end = offset + math.prod(shape)
        self.flat, self.offset, self.relocatable = flat, offset, True
        self._value = flat.values[offset:end].reshape(shape)
        self.last_access = object()
        if self._grad is not None:
            self._grad = flat.gradients[offset:end].reshape(shape)

    def __getstate__(self) -> dict[str, Any]:
        # A copy needs separate arrays: the flat arrays may contain parameters that are not copied.
        return {**vars(self), "flat": None, "offset": 0}

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        duplicate = copy.copy(self)
        memo[id(self)] = duplicate
        if self.relocatable:  # deepcopy would keep these arrays in memory until it has copied everything
            duplicate._value, duplicate._grad = self._value.copy(), None if self._grad is None else self._grad.copy()
        else:
            duplicate._value, duplicate._grad = copy.deepcopy((self._value, self._grad), memo)
        return duplicate

    def __repr__(self) -> str:
        return f"Parameter{self.value.shape}" + ("" if self.trainable else " (not trained)")


def are_referenced(parameters: Iterable[Parameter]) -> bool:
    """Return True if other objects may refer to the arrays of these parameters.

    Such objects can change the arrays at any time. If there are none, an array can change only after an access, which
    ``last_access`` records.

    >>> b = Parameter(np.zeros(3))
    >>> are_referenced([b])
    False
    >>> array = b.value
    >>> are_referenced([b])
    True
    """
    views: dict[FlatArrays, int] = {}
    for parameter in {id(p): p for p in parameters}.values():
        if parameter.flat is not None:
            views[parameter.flat] = views.get(parameter.flat, 0) + 1
        elif not parameter._value.flags.owndata:
            return True
        if sys.getrefcount(parameter._value) > ONE_REFERENCE or weakref.getweakrefcount(parameter._value):
            return True
    return any(
        not flat._values.flags.owndata
        or sys.getrefcount(flat._values) > ONE_REFERENCE + count
        or weakref.getweakrefcount(flat._values)
        for flat, count in views.items()
    )


# What sys.getrefcount returns for an array to which only its parameter refers.
ONE_REFERENCE = (lambda parameter: sys.getrefcount(parameter._value))(Parameter(np.zeros(1)))


class Parameters(dict[str, Parameter]):
    """Dict of the parameters of one layer by name.

    A missing name raises an error that lists the names. If the layer is not built, the error recommends calling ``build``.

    Parameters
    ----------
    parameters : dict of Parameter
        Names and parameters.
    unbuilt : object, optional
        The layer, if it is not built; error messages show it.

    Examples
    --------
    >>> parameters = Parameters({"w": Parameter(np.ones((3, 2))), "b": Parameter(np.zeros(2))})
    >>> parameters["w"]
    Parameter(3, 2)
    >>> parameters["gamma"]
    Traceback (most recent call last):
    KeyError: "name must be one of w, b, got 'gamma'"
    """

    def __init__(self, parameters: Mapping[str, Parameter] = MappingProxyType({}), *, unbuilt: object = None) -> None:
        super().__init__(parameters)
        self._unbuilt = unbuilt

    def __missing__(self, name: object) -> NoReturn:
        if self._unbuilt is not None:
            raise RuntimeError(not_built(self._unbuilt))
        raise KeyError(f"name must be one of {', '.join(self) or 'none: the layer has no parameters'}, got {name!r}")

    def __setitem__(self, name: str, parameter: Parameter) -> None:
        if not isinstance(parameter, Parameter):
            raise ArgumentTypeError(
                f"parameters[{name!r}] must be a Parameter, got {type(parameter).__name__}: "
                f"assign to parameters[{name!r}].value instead"
            )
        super().__setitem__(name, parameter)

    def __call__(self, *arguments: object, **options: object) -> NoReturn:
        raise ArgumentTypeError(
            "parameters is a dict, not a method; pass the model to the optimizer, as in SGD(model, lr=0.01)"
        )

    def __reduce__(self) -> tuple[type[Parameters], tuple[dict[str, Parameter]]]:
        return Parameters, (dict(self),)


def is_trained(layer: Any, name: str, spec: Spec) -> bool:
    """Return True if the parameter of this specification has a gradient and is not frozen."""
    parameter = layer.parameters.get(name)
    return spec.trainable and not (layer.frozen if parameter is None else parameter.frozen)


def not_built(layer: object) -> str:
    """Return the error message for a layer that has no parameters yet."""
    return f"{short_repr(layer)} has no parameters yet: call build(input_shape) first"


def _write(name: str, array: Array, new: ArrayLike) -> None:
    """Copy ``new`` into an array of the same shape; floats are rounded to the array's type."""
    if np.shape(new) != array.shape:
        got = "None" if new is None else f"shape {np.shape(new)}"
        raise ArgumentValueError(f"{name} must have shape {array.shape}, got {got}")
    np.copyto(array, new, casting="same_kind")


class Spec(NamedTuple):
    """Shape, initial values and trainability of a parameter that ``build`` will make.

    A counter, such as the number of updates of running averages, is not used in inference, and ``count_parameters`` does not
    count it. It is set to :data:`MANY` if it is missing in a file of weights from another library or an earlier version.
    """

    shape: Shape
    initializer: Initializer
    trainable: bool = True
    counter: bool = False

    def fill(self, parameter: Parameter, rng: np.random.Generator) -> None:
        """Write the initial values into the parameter."""
        values = self.initializer(rng, self.shape)
        if np.shape(values) != self.shape:
            raise ArgumentValueError(f"initializer must return an array of shape {self.shape}, got shape {np.shape(values)}")
        parameter.value[...] = values


def allocate(specs: Iterable[Spec], dtype: DTypeLike) -> list[Parameter]:
    """Return a parameter for each specification, in common flat arrays.

    The values are not initialised.
    """
    specs = list(specs)
    flat, offsets = _layout([(math.prod(spec.shape), spec.trainable) for spec in specs], dtype)
    parameters = []
    for spec, offset in zip(specs, offsets, strict=True):
        parameter = Parameter(flat.values[:0], spec.trainable)
        parameter._bind(flat, offset, spec.shape)
        parameters.append(parameter)
    return parameters


def flatten(parameters: Iterable[Parameter]) -> None:
    """Move parameters to common flat arrays, one pair for each dtype.

    A parameter's old arrays are released when they are copied, so the peak memory is one copy plus the largest parameter.
    """
    parameters = list(parameters)
    for dtype in {p.value.dtype for p in parameters}:
        same = [p for p in parameters if p.value.dtype == dtype]
        flat, offsets = _layout([(p.value.size, p.grad is not None) for p in same], dtype)
        for parameter, offset in zip(same, offsets, strict=True):
            parameter.move_to(flat, offset)


def _layout(sizes: Sequence[tuple[int, bool]], dtype: DTypeLike) -> tuple[FlatArrays, list[int]]:
    """Return flat arrays for parameters given as (size, trainable), and the offset of each.

    Trainable parameters come first.
    """
    trained, total = (sum(size for size, trainable in sizes if trainable or include_all) for include_all in (False, True))
    ends = {True: 0, False: trained}
    offsets = []
    for size, trainable in sizes:
        offsets.append(ends[trainable])
        ends[trainable] += size
    return FlatArrays(trained, total - trained, dtype), offsets
