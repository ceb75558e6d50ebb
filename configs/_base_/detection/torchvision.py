# A detector of torchvision on COCO-format data; tools/train_detector.py sets what differs.
_base_ = '../default_runtime.py'

custom_imports = dict(
    imports=[f'senet_mm.detection.{name}' for name in ('coco', 'hook', 'metric', 'model')]
)

data_root = 'data/detection-sample'
size = 128
lr = 0.02
max_epochs = 10
masks = False

input_shape = (3, size, size)  # of the figures on parameters and FLOPs
model = dict(
    type='TorchvisionDetector',
    detector='faster-rcnn',
    num_classes='auto',
    size=size,
    backbone=dict(
        name='seresnet18_8xb32_in1k',
        checkpoint=None,
        frozen_stages=-1,
        norm_eval=False,
        out_channels=64,
    ),
)

# Images differ in size: they are not stacked.
loader = dict(num_workers=0, collate_fn=dict(type='senet_mm.collate_samples'))
dataset = dict(type='CocoData', root=data_root, masks=masks)
train_dataloader = dict(
    **loader,
    batch_size=8,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train', mirror=True),
)
val_dataloader = dict(
    **loader,
    batch_size=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='val', test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoAP')
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=10),
)
# An epoch of warm-up, if there is another one, then a cosine.
param_scheduler = dict(
    type='OneCycleLR',
    eta_max=lr,
    total_steps=max_epochs,
    pct_start=1 / max_epochs if max_epochs > 1 else 0.0,
    by_epoch=True,
    convert_to_iter_based=True,
)
train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
val_cfg = dict()
test_cfg = dict()

default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(save_best='coco/bbox_AP', rule='greater'),
    class_num_check=None,  # it looks at heads of classifiers
)
custom_hooks = [dict(type='ResultHook'), dict(type='DetectionHook')]
