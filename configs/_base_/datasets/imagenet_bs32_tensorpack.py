# ImageNet as in tensorpack (examples/ResNet), which follows fb.resnet.torch: crop, colour jitter,
# lighting, mirror. Its resize is bicubic, and the order of lighting and jitter is drawn, too.
input_shape = (3, 224, 224)
data_preprocessor = dict(
    type='BatchPreprocessor',
    num_classes=1000,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

data_root = 'data/imagenet'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='AntialiasedResizedCrop', scale=224),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, backend='cv2'),
    dict(type='PcaLighting', std=0.1),
    dict(type='RandomAugment', mirror=0.5),
    dict(type='PackTensors'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='ImageNet', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ImageNet', data_root=data_root, split='val', pipeline=test_pipeline),
)
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='CrossEntropy')]

test_dataloader = val_dataloader
test_evaluator = val_evaluator
