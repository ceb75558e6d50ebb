"""What is done with a classifier in a library that quantises it, and what NNCF does for both."""

import contextlib
import gc
import io
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from senet_mm.utils.signal_stack import same_signal_stack

from .gates import Graph, find_gates_in_graph

Run = Callable[[Tensor], Tensor]


class Engine(ABC):
    """A library; a network is an object of it.

    Gates stay in float. The export has no early squeeze: with it, a gate is not made of the map
    that it multiplies, and neither the libraries nor :func:`.find_gates_in_graph` recognise it.

    Attributes:
        name: Name of the library.
        suffix: Of its files.
        methods: Functions from a network in float32 and images for calibration, (N, C, H, W), to a
            quantised network, by name.
    """

    name: str
    suffix: str
    methods: Mapping[str, Callable[[Any, Tensor], Any]]

    @abstractmethod
    def check(self, control: bool) -> None:
        """Raise an ImportError for a package that is not installed.

        Args:
            control: Whether accuracy control may be needed.
        """

    @abstractmethod
    def export(self, model: nn.Module, example: Tensor) -> Any:
        """A classifier in float32; the example is a batch (N, C, H, W) of at least two."""

    @abstractmethod
    def start(self, network: Any) -> tuple[Run, str]:
        """The function that a network computes, (N, C, H, W) -> (N, classes), and how, in words."""

    @abstractmethod
    def graph(self, network: Any) -> Graph:
        """The operations of a network."""

    @abstractmethod
    def count_quantisers(self, network: Any) -> int:
        """Number of tensors of a network that are quantised, weights among them."""

    @abstractmethod
    def write(self, network: Any, path: Path) -> None:
        """Write a network to a file."""

    @abstractmethod
    def item(self, image: Tensor) -> Any:
        """An image (1, C, H, W) as NNCF hands it to a network."""

    @abstractmethod
    def start_given(self, network: Any) -> Run:
        """The function of what NNCF hands to a function of validation."""


@contextlib.contextmanager
def running_nncf() -> Iterator[None]:
    """Bars and notes of NNCF go nowhere.

    The networks that it compiles for itself end here, with what they did to signals. The level of
    its log is that of before at the end.
    """
    from nncf.common.logging import nncf_logger

    level = nncf_logger.level
    # `nncf.set_log_level` would set that of all handlers, too, of which some may be the user's.
    nncf_logger.setLevel(logging.ERROR)
    try:
        with same_signal_stack(), contextlib.redirect_stdout(io.StringIO()):
            yield
            gc.collect()
    finally:
        nncf_logger.setLevel(level)


def to_nncf(engine: Engine, network: Any, images: Tensor) -> tuple[dict[str, Any], Any]:
    """Arguments of NNCF's functions that quantise a network, and advanced parameters.

    The functions call those by different names.

    Args:
        engine: The library.
        network: The network in float32.
        images: Images for calibration, (N, C, H, W).
    """
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    # In int8 the products with the gates are slower and less exact.
    gates = find_gates_in_graph(engine.graph(network))
    advanced = nncf.AdvancedQuantizationParameters(
        # By default a range is the mean over the images of their ranges, which clips half of them.
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
    )
    return dict(
        model=network,
        calibration_dataset=nncf.Dataset(images.split(1), engine.item),
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(
            names=sorted(gates.inside | gates.products), validate=False
        ),
    ), advanced


def quantise_under_control(
    engine: Engine, network: Any, calibration: Tensor, images: Tensor, labels: Tensor, drop: float
) -> Any:
    """Quantise; operations that cost most accuracy stay in float until little is lost.

    Args:
        engine: The library.
        network: The network in float32.
        calibration: Images for calibration, (N, C, H, W).
        images: Images on which accuracy is controlled, (M, C, H, W).
        labels: Their classes, (M,).
        drop: Accuracy that may be lost, a fraction.
    """
    import nncf

    def validate(given: Any, items: Any) -> tuple[float, list[float]]:
        run = engine.start_given(given)
        right = [float(run(image).argmax(1).item() == label) for image, label in items]
        return sum(right) / len(right), right

    arguments, advanced = to_nncf(engine, network, calibration)
    pairs = [*zip(images.split(1), labels.tolist(), strict=True)]
    with running_nncf():
        return nncf.quantize_with_accuracy_control(
            **arguments,
            advanced_quantization_parameters=advanced,
            validation_dataset=nncf.Dataset(pairs, lambda pair: engine.item(pair[0])),
            validation_fn=validate,
            max_drop=drop,
            fast_bias_correction=False,
        )
