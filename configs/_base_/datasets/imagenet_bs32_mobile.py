# ImageNet for mobile networks. The paper (section 4.1) augments less aggressively, as ShuffleNet
# does, and neither says by how much: here crops have 25 % of the image or more.
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
    dict(type='AntialiasedResizedCrop', scale=224, crop_ratio_range=(0.25, 1.0)),
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
