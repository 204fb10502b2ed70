"""What an adapter says of a parameter, step by step: add a product, scale, set some elements, take other values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from git_theta.tensors import adapter_arithmetic
from git_theta.tensors.adapter_arithmetic import COMPUTED, AdapterFactors, product_shape
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values


class UpdateStep(ABC):
    """One thing that is done to a parameter."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What is done, in a few words."""

    @abstractmethod
    def find_misfit(self, spec: Spec) -> str:
        """Why it cannot be done to a parameter of that spec; "" where it can."""

    def turn_for(self, spec: Spec) -> UpdateStep:  # noqa: ARG002
        """The step as it is done to a parameter of that spec: where layers may store their weights either way round."""
        return self

    @abstractmethod
    def list_given(self) -> tuple[Values, ...]:
        """The adapter's arrays whose numbers go into the parameter."""

    @abstractmethod
    def compute(self, values: Values) -> Iterator[Buffer]:
        """What the values become, in pieces. Raises UsageError where the adapter's arrays make no sense."""


class ParameterUpdate(NamedTuple):
    """What an adapter says of one parameter.

    Attributes:
        name: what the adapter calls the parameter.
        steps: what is done, one after the other.
        optional: whether a checkpoint may lack the parameter, as a bias.
    """

    name: str
    steps: tuple[UpdateStep, ...]
    optional: bool = False

    @property
    def summary(self) -> str:
        """What is done, in a few words."""
        return ", then ".join(step.summary for step in self.steps)


@dataclass(frozen=True)
class AddProduct(UpdateStep):
    """A low-rank update: the product of two factors is added."""

    factors: AdapterFactors

    @property
    def summary(self) -> str:
        return f"low-rank, rank {self.factors.rank}"

    def turn_for(self, spec: Spec) -> UpdateStep:
        # PEFT knows the layer's type, and corrects the configuration by it. Only what is square is unclear.
        turned = AddProduct(self.factors._replace(transposed=not self.factors.transposed))
        return turned if not self.factors.rounded and self.find_misfit(spec) and not turned.find_misfit(spec) else self

    def find_misfit(self, spec: Spec) -> str:
        down, up = self.factors.down.spec, self.factors.up.spec
        shape = product_shape(down, up)
        if shape is None:
            return f"its factors have shapes {list(down.shape)} and {list(up.shape)}: that is no product"
        shape = shape[::-1] if self.factors.transposed else shape
        if shape != spec.shape:
            return f"the product of its factors has shape {list(shape)}, and the parameter {list(spec.shape)}"
        return _find_misfit_of_dtypes(spec, down, up)

    def list_given(self) -> tuple[Values, ...]:
        return self.factors.down, self.factors.up

    def compute(self, values: Values) -> Iterator[Buffer]:
        return adapter_arithmetic.add_product(values, self.factors)


@dataclass(frozen=True)
class AddScaled(UpdateStep):
    """A bias that was trained beside the factors: it is added, times their scaling."""

    addend: Values
    scaling: float
    summary: ClassVar[str] = "added"

    def find_misfit(self, spec: Spec) -> str:
        if self.addend.spec.shape != spec.shape:
            return f"it has shape {list(self.addend.spec.shape)}, and the parameter {list(spec.shape)}"
        return _find_misfit_of_dtypes(spec, self.addend.spec)

    def list_given(self) -> tuple[Values, ...]:
        return (self.addend,)

    def compute(self, values: Values) -> Iterator[Buffer]:
        return adapter_arithmetic.add_scaled(values, self.addend, self.scaling)


@dataclass(frozen=True)
class ScaleElements(UpdateStep):
    """Elements are multiplied; ``shape``: how the numbers are laid beside the parameter, 1 for all of a dimension."""

    scale: Values
    shape: tuple[int, ...]
    summary: ClassVar[str] = "scaled"

    def turn_for(self, spec: Spec) -> UpdateStep:
        turned = ScaleElements(self.scale, self.shape[::-1])
        return turned if len(self.shape) == 2 and self.find_misfit(spec) and not turned.find_misfit(spec) else self

    def find_misfit(self, spec: Spec) -> str:
        fits = len(self.shape) == len(spec.shape) and all(
            one in (1, size) for one, size in zip(self.shape, spec.shape, strict=True)
        )
        if not fits or math.prod(self.shape) != self.scale.spec.elements:
            return f"a scale of shape {list(self.scale.spec.shape)} does not fit the parameter's {list(spec.shape)}"
        return _find_misfit_of_dtypes(spec, self.scale.spec)

    def list_given(self) -> tuple[Values, ...]:
        return (self.scale,)

    def compute(self, values: Values) -> Iterator[Buffer]:
        return adapter_arithmetic.scale_elements(values, self.scale, self.shape)


@dataclass(frozen=True)
class SetElements(UpdateStep):
    """Some elements, or rows, get other values."""

    indices: Values
    values: Values

    @property
    def summary(self) -> str:
        count = self.indices.spec.elements
        return f"sparse, {count:,} {'elements' if len(self.values.spec.shape) == 1 else 'rows'}"

    def find_misfit(self, spec: Spec) -> str:
        where, new = self.indices.spec, self.values.spec
        if where.dtype.kind not in ("int", "uint") or where.dtype.bits < 8 or len(where.shape) != 1:
            return f"its indices are {where.dtype.name} {list(where.shape)}, and must be integers, one after the other"
        if new.shape not in (where.shape, (*where.shape, *spec.shape[1:])):
            return f"{where.shape[0]:,} indices, and values of shape {list(new.shape)}"
        if spec.dtype.block > 1 or spec.dtype.bits < 8 or not spec.dtype.torch:
            return f"elements of {spec.dtype.name} cannot be set one by one"
        if spec.dtype.kind != new.dtype.kind:
            return f"its values are {new.dtype.name}, and the parameter is {spec.dtype.name}"
        return ""

    def list_given(self) -> tuple[Values, ...]:
        return (self.values,)

    def compute(self, values: Values) -> Iterator[Buffer]:
        return adapter_arithmetic.set_elements(values, self.indices, self.values)


@dataclass(frozen=True)
class Replace(UpdateStep):
    """All values are others, rounded to the parameter's dtype."""

    values: Values
    summary: ClassVar[str] = "replaced"

    def find_misfit(self, spec: Spec) -> str:
        new = self.values.spec
        if new.shape != spec.shape:
            return f"it has shape {list(new.shape)}, and the parameter {list(spec.shape)}"
        if new.dtype != spec.dtype and not (new.dtype.name in COMPUTED and spec.dtype.name in COMPUTED):
            return f"it is {new.dtype.name}, and the parameter {spec.dtype.name}"
        return ""

    def list_given(self) -> tuple[Values, ...]:
        return (self.values,)

    def compute(self, values: Values) -> Iterator[Buffer]:
        return adapter_arithmetic.cast_values(self.values, values.spec.dtype)


def _find_misfit_of_dtypes(spec: Spec, *given: Spec) -> str:
    if spec.dtype.name not in COMPUTED:
        return f"the parameter is {spec.dtype.name}: only {', '.join(sorted(COMPUTED))} are added to, or scaled"
    other = next((one.dtype.name for one in given if one.dtype.name not in COMPUTED), "")
    return f"its arrays are {other}, and must be of {', '.join(sorted(COMPUTED))}" if other else ""
