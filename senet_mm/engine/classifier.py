"""The classifier of a config, outside of a runner."""

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

from senet_mm.config.auto import Size, check_settled, settle
from senet_mm.config.channels import check_channels
from senet_mm.models import ImageClassifier
from senet_mm.models.num_classes import set_num_classes
from senet_mm.registry import MODELS

from .weights.preprocessing import check_preprocessor


def build_classifier(cfg: Config, num_classes: int | None = None) -> ImageClassifier:
    """The model of a config as a runner builds it; the default scope of the process stays.

    Args:
        cfg: The config; its ``model`` is changed.
        num_classes: Number of classes, by default the config's.

    Raises:
        ValueError: The config contradicts itself, or the classes do not fit the head.
    """
    with DefaultScope.overwrite_default_scope('senet_mm'):
        return MODELS.build(assemble(cfg, num_classes))


def assemble(cfg: Config, num_classes: int | None = None) -> ConfigDict:
    """The ``model`` of a config with its ``data_preprocessor``; see :func:`build_classifier`."""
    check_preprocessor(cfg)
    check_channels(cfg)
    model = cfg.model
    if cfg.get('data_preprocessor'):
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    if num_classes is not None:
        settle(cfg, Size(num_classes))
        set_num_classes(model, num_classes)
        preprocessor = model.get('data_preprocessor') or {}
        model.data_preprocessor = dict(preprocessor, num_classes=num_classes)
    elif isinstance(given := model.get('head', {}).get('num_classes'), int):
        settle(cfg, Size(given))
    check_settled(model)
    return model
