"""What mmpretrain's inferencers read from a model, so that they serve ours."""

import copy

from mmengine.config import Config
from modelindex.models.Model import Model
from modelindex.models.Result import Result
from torch import nn

from senet_mm.datasets.given import with_loading
from senet_mm.engine.weights.geometry import find_fixed_size
from senet_mm.engine.weights.preprocessing import count_channels, get_dataset

SCOPE = 'senet_mm'


def serve_upstream(model: nn.Module, cfg: Config, classes: tuple[str, ...] | None) -> None:
    """Give a model what mmpretrain's ``get_model`` gives to its own.

    Its ``ImageClassificationInferencer(model)`` and ``inference_model(model, ...)`` then work,
    without a default scope.

    Args:
        model: The classifier.
        cfg: Its config.
        classes: Names of its classes.
    """
    config = copy.deepcopy(cfg)
    for loader in ('test_dataloader', 'val_dataloader'):
        if (dataset := get_dataset(config, loader)) is not None:
            loading, *rest = with_loading(dataset['pipeline'], count_channels(cfg) or 3)
            # They decode files themselves, to 8 bits, before the first step.
            check = dict(
                type='CheckDecoded',
                bits=loading.get('bits', 8),
                size=find_fixed_size(dataset['pipeline'], cfg.get('input_shape')),
            )
            # They build the steps by their own registry, where ours are found by their scope alone.
            config.test_dataloader = dict(
                dataset=dict(
                    pipeline=[dict(step, _scope_=SCOPE) for step in (check, loading, *rest)]
                )
            )
            break
    result = Result(task='Image Classification', dataset='', metrics={})
    vars(model).update(
        _config=config,
        _dataset_meta=dict(classes=classes) if classes else {},
        _metainfo=Model(name='senet_mm', results=[result]),
    )
