# CIFAR-10 as in nutszebra/SENets: resized to 32 to 36 pixels, crop of 32, a black square of 16 in
# every second image (Cutout), mirror. Mean and std do nothing: the network standardises each image
# by itself (model.backbone.input_norm). The resize is bilinear; there its kind is drawn, too.
input_shape = (3, 32, 32)
data_preprocessor = dict(
    num_classes=10,
    mean=[0, 0, 0],
    std=[1, 1, 1],
    to_rgb=False,  # the images are RGB
)

data_root = 'data/cifar10'
train_pipeline = [
    dict(type='RandomChoiceResize', scales=[(32, 32), (33, 33), (34, 34), (35, 35), (36, 36)]),
    dict(type='RandomCrop', crop_size=32),
    dict(
        type='RandomErasing',
        erase_prob=0.5,
        min_area_ratio=0.25,
        max_area_ratio=0.25,
        aspect_range=(1.0, 1.0),
        mode='const',
        fill_color=(0, 0, 0),
    ),
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
