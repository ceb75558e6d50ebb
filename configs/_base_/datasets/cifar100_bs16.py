# CIFAR-100 as CIFAR-10, with its own classes, mean and standard deviation (fb.resnet.torch's).
_base_ = 'cifar10_bs16.py'

data_preprocessor = dict(
    num_classes=100,
    mean=[129.3, 124.1, 112.4],
    std=[68.2, 65.4, 70.4],
)
train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4, pad_val=(129, 124, 112)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
data_root = 'data/cifar100'
train_dataloader = dict(dataset=dict(type='CIFAR100', data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type='CIFAR100', data_root=data_root))
test_dataloader = val_dataloader
