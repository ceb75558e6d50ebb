# ImageNet as in shicai/SENet-Caffe (README, its issue 2): scale and aspect of the crop are drawn;
# BGR, mean subtracted, times 0.017. He gives no ranges, these are GoogLeNet's; the mirror is ours.
input_shape = (3, 224, 224)
data_preprocessor = dict(
    type='BatchPreprocessor',
    num_classes=1000,
    mean=[103.94, 116.78, 123.68],
    std=[1 / 0.017] * 3,
    to_rgb=False,
)

data_root = 'data/imagenet'
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
