"""The registries of senet_mm: children of mmpretrain's, in the scope ``senet_mm``.

A name is looked up here, then in mmpretrain, then in mmengine, so that mmpretrain's necks, heads,
losses, datasets and transforms need no prefix in a config.
"""

from mmengine.registry import Registry

from senet_mm.utils.quiet import quiet_imports

with quiet_imports():
    import mmpretrain.datasets  # noqa: F401  (prints at import; the registries import it again)
    from mmpretrain import registry as mmpretrain


def _child(parent: Registry, location: str) -> Registry:
    return Registry(parent.name, parent=parent, scope='senet_mm', locations=[location])


MODELS = _child(mmpretrain.MODELS, 'senet_mm.models')
DATASETS = _child(mmpretrain.DATASETS, 'senet_mm.datasets')
DATA_SAMPLERS = _child(mmpretrain.DATA_SAMPLERS, 'senet_mm.datasets')
TRANSFORMS = _child(mmpretrain.TRANSFORMS, 'senet_mm.datasets')
METRICS = _child(mmpretrain.METRICS, 'senet_mm.evaluation')
HOOKS = _child(mmpretrain.HOOKS, 'senet_mm.engine')
OPTIM_WRAPPERS = _child(mmpretrain.OPTIM_WRAPPERS, 'senet_mm.engine')
RUNNERS = _child(mmpretrain.RUNNERS, 'senet_mm.engine')
