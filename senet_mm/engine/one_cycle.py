"""A schedule whose checkpoint can be read again."""

from mmengine.optim import OneCycleLR as _OneCycleLR

from senet_mm.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class OneCycleLR(_OneCycleLR):
    """mmengine's one-cycle schedule without a method in its state.

    With it a checkpoint holds the optimizer as an object, which no loader of plain data takes. A
    warm-up of up to one step is none; mmengine would divide by its length, 0.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        steps, part = kwargs.get('total_steps'), kwargs.get('pct_start', 0.3)
        if steps and part * steps < 1.5:  # type: ignore[operator]
            kwargs['pct_start'] = 0.0
        super().__init__(*args, **kwargs)

    def state_dict(self) -> dict:
        """All attributes that are data."""
        return {name: value for name, value in super().state_dict().items() if not callable(value)}
