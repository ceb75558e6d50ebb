# Places365 (8 million images of 365 scenes), prepared as ImageNet (paper, section 4.2).
input_shape = (3, 224, 224)
data_preprocessor = dict(
    type='BatchPreprocessor',
    num_classes=365,
    mean=[123, 117, 104],
    std=[1, 1, 1],
    to_rgb=True,
)

data_root = 'data/places365'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='AntialiasedResizedCrop', scale=224),
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
    batch_size=128,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='Places365', data_root=data_root, split='train-challenge', pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Places365', data_root=data_root, split='val', pipeline=test_pipeline),
)
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='CrossEntropy')]

test_dataloader = val_dataloader
test_evaluator = val_evaluator
