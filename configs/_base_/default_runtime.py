default_scope = 'senet_mm'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=100),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3, save_best='auto'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Running statistics of batch norm differ between ranks; validate and save their mean.
    sync_buffers=dict(type='SyncBuffersHook'),
    class_num_check=dict(type='ClassNumCheckHook'),
    complexity=dict(type='ComplexityHook'),
    # Allows 10 damaged training images, or 0.1 %, whichever is more.
    damaged_images=dict(type='DamagedImagesHook', share=0.001, at_least=10),
    # Ends a run in which no iteration begins or ends for so many seconds.
    stall=dict(type='StallHook', timeout=900),
    # Leaves out steps whose loss or gradient is NaN or infinite; ends the run after 10 in a row, or
    # with `then='rollback'` goes back to the last checkpoint.
    non_finite=dict(type='NonFiniteHook', patience=10, then='stop'),
)

env_cfg = dict(
    cudnn_benchmark=True,
    tf32=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

# The default pattern also averages the validation loss, over ten epochs.
log_processor = dict(mean_pattern=r'^(.*/)?(loss|loss_\w+|time|data_time|grad_norm)$')
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_level = 'INFO'
# Use fast blocks if a trial on this device shows that they are right and faster.
fuse_tails = dict(implementation='auto')
load_from = None
resume = False
randomness = dict(seed=None, deterministic=False)
