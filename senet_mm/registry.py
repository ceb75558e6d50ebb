"""The registries of senet_mm: children of mmpretrain's, in the scope ``senet_mm``.

A name is looked up here, then in mmpretrain, then in mmengine, so that mmpretrain's necks, heads,
losses, datasets and transforms need no prefix in a config.
"""

from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import Registry

from senet_mm.utils.building import explain_builds
from senet_mm.utils.quiet import quiet_imports

with quiet_imports():
    from mmpretrain import registry as mmpretrain
    from mmpretrain.utils import register_all_modules

    # A lookup imports its own registry's modules, not those of the parents.
    register_all_modules(init_default_scope=False)


def _child(parent: Registry, *locations: str) -> Registry:
    registry = Registry(parent.name, parent=parent, scope='senet_mm', locations=list(locations))
    # Another scope, such as mmdet, looks for `senet_mm.NAME` among the children of the root.
    registry.root.children.setdefault('senet_mm', registry)
    explain_builds(registry)
    return registry


MODELS = _child(mmpretrain.MODELS, 'senet_mm.models')
DATASETS = _child(mmpretrain.DATASETS, 'senet_mm.datasets')
TRANSFORMS = _child(mmpretrain.TRANSFORMS, 'senet_mm.datasets')
DATA_SAMPLERS = _child(mmpretrain.DATA_SAMPLERS, 'senet_mm.datasets')
METRICS = _child(mmpretrain.METRICS, 'senet_mm.evaluation')
HOOKS = _child(mmpretrain.HOOKS, 'senet_mm.engine', 'senet_mm.analysis')
LOG_PROCESSORS = _child(mmpretrain.LOG_PROCESSORS, 'senet_mm.engine')
LOOPS = _child(mmpretrain.LOOPS, 'senet_mm.engine')
MODEL_WRAPPERS = _child(mmpretrain.MODEL_WRAPPERS, 'senet_mm.engine')
OPTIM_WRAPPERS = _child(mmpretrain.OPTIM_WRAPPERS, 'senet_mm.engine')
PARAM_SCHEDULERS = _child(mmpretrain.PARAM_SCHEDULERS, 'senet_mm.engine')
RUNNERS = _child(mmpretrain.RUNNERS, 'senet_mm.engine')
VISBACKENDS = _child(mmpretrain.VISBACKENDS, 'senet_mm.engine')
WEIGHT_INITIALIZERS = _child(mmpretrain.WEIGHT_INITIALIZERS, 'senet_mm.engine')
# What a room asks of one above it, by name.
FUNCTIONS = _child(MMENGINE_FUNCTIONS, 'senet_mm.converters')

# Nothing of ours is in these, but without a child mmengine would not search mmpretrain for a config
# of this scope, and warn.
BATCH_AUGMENTS = _child(mmpretrain.BATCH_AUGMENTS)
EVALUATORS = _child(mmpretrain.EVALUATORS)
OPTIMIZERS = _child(mmpretrain.OPTIMIZERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(mmpretrain.OPTIM_WRAPPER_CONSTRUCTORS)
VISUALIZERS = _child(mmpretrain.VISUALIZERS)
