# mmdet's data, schedule (Detectron's 2x: 24 epochs of batch 16, steps at 16 and 22) and runtime,
# with what they need to run with tools/train.py and tools/test.py.
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    'mmdet::_base_/schedules/schedule_2x.py',
    'mmdet::_base_/default_runtime.py',
]

# mmcv's operators where they are not compiled, which must be there before mmdet looks for them;
# `senet_mm.SEResNet` and `senet_mm.with_se`; checkpoints read as data, by mmdet's tools as well.
custom_imports = dict(imports=['senet_mm.detection.mmcv_ops', 'senet_mm.models', 'senet_mm.engine'])

# Images differ in size: the loader does not stack them, the data preprocessor pads them.
# mmdet's batch sampler looks up indices in the data set; ours contain random-number keys.
train_dataloader = dict(collate_fn=dict(type='pseudo_collate'), batch_sampler=None)
val_dataloader = dict(collate_fn=dict(type='pseudo_collate'))
test_dataloader = dict(collate_fn=dict(type='pseudo_collate'))

default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=3, save_best='coco/bbox_mAP'),
)
