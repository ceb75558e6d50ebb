"""What runs in a forward pass of a network: parts, in order, and what flows between them."""

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from senet_mm.models.layers import recalibration_layers
from senet_mm.models.recalibration.attention import own_attention
from senet_mm.utils.meta import computing_once, run_on_meta

from .labels import FUNCTIONS, TIMES, Label, describe_attention_layer, describe_part

# Operations that copy, or change nothing but type and shape.
COPIES = {'_to_copy', '_unsafe_view', 'clone', 'contiguous', 'copy', 'dropout', 'lift_fresh'}


@dataclass(eq=False)
class TracedOperation:
    """A call of a part without parts, or an operation outside of such parts.

    Attributes:
        kind: ``conv``, ``norm``, ``act``, ``pool``, ``linear``, ``se``, ``join`` for an operation
            on several maps, ``image`` or ``other``.
        label: What it is.
        shape: Shape of the output for one image.
        inputs: The nodes whose outputs it reads.
    """

    kind: str
    label: Label
    shape: tuple[int, ...] = ()
    inputs: list['TracedOperation'] = field(default_factory=list)


@dataclass(eq=False)
class Call:
    """A call of a unit of a network.

    Attributes:
        path: Path of the unit in the network.
        holder: Path of the module that it is a part of.
        module: The unit.
        in_shape: Shape of its input for one image; channels of several inputs are added.
        out_shape: Shape of its output for one image.
        nodes: What ran in it, in order.
    """

    path: str
    holder: str
    module: nn.Module
    in_shape: tuple[int, ...] = ()
    out_shape: tuple[int, ...] = ()
    nodes: list[TracedOperation] = field(default_factory=list)


class Tracer(TorchDispatchMode):
    """Records the operations of a forward pass, by unit and by part without parts.

    Args:
        model: The network.
        units: Paths of the units.
        layers: The parts that are drawn as one box although they have parts: by default the layers
            that recalibrate.
    """

    def __init__(
        self, model: nn.Module, units: list[str], layers: Collection[nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.calls: list[Call] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.layers = {*(find_attention(model) if layers is None else layers)}
        self._units = units
        self._unit: Call | None = None
        self._parts: list[tuple[nn.Module, list[TracedOperation]]] = []
        self._sources: dict[int, TracedOperation] = {}
        self._alive: list[Tensor] = []  # an id is given again to another tensor otherwise

    def run(self, shape: tuple[int, ...]) -> 'Tracer':
        """Run the network on one image (C, H, W) on the meta device."""
        with ExitStack() as hooks, computing_once(self.model):
            inside = {part for layer in self.layers for part in layer.modules()} - self.layers
            for path, module in self.model.named_modules():
                if module in inside:
                    continue
                if module in self.layers:
                    self._watch(hooks, module, self._enter_layer(path), self._leave_layer(path))
                elif not has_parts(module):
                    self._watch(hooks, module, self._enter_part, self._leave_part)
                if path in self._units:
                    enter = self._enter_unit(path, parent(path))
                    self._watch(hooks, module, enter, self._leave_unit)
                self._watch(hooks, module, self._see_image, self._see_shape(path))
            with self:
                run_on_meta(self.model, shape)
        return self

    def _watch(
        self, hooks: ExitStack, module: nn.Module, before: Callable, after: Callable
    ) -> None:
        """Hooks around a call, outside of those that insert layers."""
        hooks.callback(module.register_forward_pre_hook(before, prepend=True).remove)
        hooks.callback(module.register_forward_hook(after).remove)

    def _see_image(self, module: nn.Module, args: tuple) -> None:
        if not self._sources:
            for image in filter(is_tensor, args):
                self._set_source(
                    image, TracedOperation('image', Label('image'), tuple(image.shape[1:]))
                )

    def _see_shape(self, path: str) -> Callable:
        def see(module: nn.Module, args: tuple, output: object) -> None:
            self.shapes[path] = shape_of(output)

        return see

    def _enter_unit(self, path: str, holder: str) -> Callable:
        def enter(module: nn.Module, args: tuple) -> None:
            self._unit = Call(path, holder, module, shape_of_all(args))
            self.calls.append(self._unit)

        return enter

    def _leave_unit(self, module: nn.Module, args: tuple, output: object) -> None:
        assert self._unit is not None
        self._unit.out_shape = shape_of(output)
        self._unit = None

    def _enter_layer(self, path: str) -> Callable:
        """A layer that acts on the output of a container is a unit of its own."""
        place = getattr(self.model.get_submodule(path), 'acts_at', None)
        enter_unit = self._enter_unit(path, f'backbone.{place.block}' if place else parent(path))

        def enter(module: nn.Module, args: tuple) -> None:
            if self._unit is None:
                enter_unit(module, args)
            self._enter_part(module, args)

        return enter

    def _leave_layer(self, path: str) -> Callable:
        def leave(module: nn.Module, args: tuple, output: object) -> None:
            self._leave_part(module, args, output)
            if path not in self._units and self._unit and self._unit.module is module:
                self._leave_unit(module, args, output)

        return leave

    def _enter_part(self, module: nn.Module, args: tuple) -> None:
        self._parts.append((module, []))

    def _leave_part(self, module: nn.Module, args: tuple, output: object) -> None:
        self._parts.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        given = filter(is_tensor, tree_leaves((args, kwargs)))
        inputs = [self._sources[id(x)] for x in given if id(x) in self._sources]
        if inputs:  # else it works on weights
            node = self._node(func, list(dict.fromkeys(inputs)), args)
            made = [*filter(is_tensor, tree_leaves(out))]
            for tensor in made:
                self._set_source(tensor, node)
            if made and (self._parts or node not in inputs):
                node.shape = tuple(made[0].shape[1:])
        return out

    def _set_source(self, tensor: Tensor, node: TracedOperation) -> None:
        """Note which node made a tensor (N, ...)."""
        self._sources[id(tensor)] = node
        self._alive.append(tensor)

    def _node(
        self, func: torch._ops.OpOverload, inputs: list[TracedOperation], args: tuple
    ) -> TracedOperation:
        """The node of an operation: that of the part it runs in, a new one, or its only input."""
        if self._parts:
            return self._part_node(inputs)
        name = func._schema.name.partition('::')[2].rstrip('_')
        label = FUNCTIONS.get(name, name)
        if name == 'transpose' and args[0].dim() == 5:
            label = 'channel shuffle'
        elif len(inputs) == 1 and (name in COPIES or func.is_view) and name not in FUNCTIONS:
            return inputs[0]
        elif len(inputs) == 1 and label in ('+', TIMES):
            number = next((x for x in args if isinstance(x, int | float)), None)
            label = label if number is None else f'{label} {number:.3g}'
        kind = 'join' if len(inputs) > 1 or name in ('cat', 'stack') else 'other'
        if label == 'BN':  # of a module that has an activation, too, as timm's
            kind = 'norm'
        return self._add(TracedOperation(kind, Label(label), inputs=inputs))

    def _part_node(self, inputs: list[TracedOperation]) -> TracedOperation:
        """The node of the part that is running; its own outputs are not its inputs."""
        module, made = self._parts[-1]
        if not made:
            if module in self.layers:
                kind, label = 'se', describe_attention_layer(module)
            else:
                kind, label = describe_part(module)
            made.append(self._add(TracedOperation(kind, label)))
        node = made[0]
        node.inputs += [x for x in inputs if x is not node and x not in node.inputs]
        return node

    def _add(self, node: TracedOperation) -> TracedOperation:
        if self._unit:
            self._unit.nodes.append(node)
        return node


def has_parts(module: nn.Module) -> bool:
    """Whether a module has other parts than layers that are kept in it and act elsewhere."""
    return not all(map(_is_kept, module.children()))


def _is_kept(module: nn.Module) -> bool:
    """Whether a module is a recalibration layer, or only holds such ones."""
    is_shelf = isinstance(module, nn.ModuleDict) and all(map(_is_kept, module.children()))
    return is_shelf or getattr(module, 'recalibrates', False)


def parent(path: str) -> str:
    """Path of the module that holds a module."""
    return path.rpartition('.')[0]


def find_attention(model: nn.Module) -> list[nn.Module]:
    """The layers of a network that recalibrate, inserted or built in."""
    inserted = [*recalibration_layers(model).values()]
    parts = {part for layer in inserted for part in layer.modules()}
    return inserted + [module for _, module in own_attention(model) if module not in parts]


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor."""
    return isinstance(value, Tensor)


def shape_of(value: object) -> tuple[int, ...]:
    """Shape, for one image, of the last tensor (N, ...) in a value; empty if there is none."""
    tensors = [*filter(is_tensor, tree_leaves(value))]
    return tuple(tensors[-1].shape[1:]) if tensors else ()


def shape_of_all(values: object) -> tuple[int, ...]:
    """Shape, for one image, of all tensors (N, C, ...) in a value, concatenated along C."""
    shapes = [tuple(x.shape[1:]) for x in filter(is_tensor, tree_leaves(values))]
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if shapes and shapes[0] else ()
