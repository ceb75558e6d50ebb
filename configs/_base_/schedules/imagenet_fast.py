# What makes training fast, wherever the device has it (docs/performance.md): bfloat16 autocast,
# channels-last maps, one kernel for the optimiser's step. TF32 is in default_runtime.py.
# `compile=True` is left to the user: it takes minutes to start.
optim_wrapper = dict(
    type='Bf16OptimWrapper',
    when='fast',
    optimizer=dict(type='SGD', fused=True),
)
channels_last = 'fast'
