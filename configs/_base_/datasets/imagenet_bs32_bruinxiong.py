# ImageNet as in bruinxiong/SENet.mxnet, whose --aug-level is one word here:
#     1: a crop of 224 pixels of an image whose short side is 256; mirror
#     2: the short side is 256 to 480 (16 to 57 % of an image of 4:3), the aspect changes by up to
#        25 %; hue, lightness and saturation by up to 0.4 of half their range; mirror
#     3: before that a shear of up to 0.1 and a rotation of up to 10 degrees (the shear is that of
#        train_se_resnet.py; train_se_resnext_w_d.py sets it to 0)
# MXNet adds to the channels of HLS, here brightness and saturation are scaled. There the network
# begins with a batch norm, here mean and std are ImageNet's.
augmentation = 2
input_shape = (3, 224, 224)
data_preprocessor = dict(
    type='BatchPreprocessor',
    num_classes=1000,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

data_root = 'data/imagenet'
if augmentation not in (1, 2, 3):
    raise ValueError(f'augmentation={augmentation!r} is not known; allowed: 1, 2, 3')
warp = dict(prob=1.0, magnitude_std='inf', pad_val=127, interpolation='bilinear')  # uniform
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='RandomCrop', crop_size=224),
    dict(type='RandomAugment', mirror=0.5),
    dict(type='PackTensors'),
]
if augmentation > 1:
    train_pipeline[1:3] = [
        dict(
            type='AntialiasedResizedCrop',
            scale=224,
            crop_ratio_range=(0.16, 0.57),
            aspect_ratio_range=(0.75, 1.25),
        ),
        dict(type='ColorJitter', brightness=0.4, saturation=0.4, hue=0.2, backend='cv2'),
    ]
if augmentation > 2:
    train_pipeline[1:1] = [
        dict(type='Shear', magnitude_range=(0, 0.1), **warp),
        dict(type='Rotate', magnitude_range=(0, 10), **warp),
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
