# CIFAR-10 as in the paper (section 4.1): standardise, pad by 4, random crop, mirror. Mean and std
# are those of fb.resnet.torch, which the networks' own recipes use (resnet-1k-layers, ResNeXt, WRN,
# Shake-Shake, Cutout). It pads with zeros after standardising: here with the mean, rounded, before.
input_shape = (3, 32, 32)
data_preprocessor = dict(
    num_classes=10,
    mean=[125.3, 123.0, 113.9],
    std=[63.0, 62.1, 66.7],
    to_rgb=False,  # the images are RGB
)

data_root = 'data/cifar10'
train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4, pad_val=(125, 123, 114)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CIFAR10', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CIFAR10', data_root=data_root, split='test', pipeline=test_pipeline),
)
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='CrossEntropy')]

test_dataloader = val_dataloader
test_evaluator = val_evaluator
