"""The number of classes in the config of a classifier."""


def set_num_classes(model: dict, num_classes: int) -> None:
    """Set the number of classes in the config of a classifier.

    Args:
        model: Config with ``head`` and ``backbone``. Most networks have the number in the head, VGG
            and Inception-v3 in the backbone.
        num_classes: Number of classes.

    Raises:
        ValueError: Neither part says how many classes it has.
    """
    parts = [part for part in (model['head'], model['backbone']) if 'num_classes' in part]
    if not parts:
        raise ValueError(
            f'num_classes={num_classes}: neither model.head ({model["head"]["type"]}) nor '
            f'model.backbone ({model["backbone"]["type"]}) has num_classes'
        )
    for part in parts:
        part['num_classes'] = num_classes
