# ImageNet with the augmentation of the released networks (README of hujie-frank/SENet): mirror,
# crop of 8-100 % with aspect 3/4-4/3, rotation +-10 degrees, pixel jitter +-20. Images are BGR
# until they are normalised.
input_shape = (3, 224, 224)
data_preprocessor = dict(
    type='BatchPreprocessor',
    num_classes=1000,
    mean=[123, 117, 104],
    std=[1, 1, 1],
    to_rgb=True,
)

data_root = 'data/imagenet'
train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='AntialiasedResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3),
    ),
    # Applied in this order, on the GPU if there is one, otherwise in the workers.
    dict(type='RandomAugment', mirror=0.5, angle=10, jitter=20, fill=(104, 117, 123)),
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
