# Pictures in data_root/CLASS/*, or in data_root/train/CLASS/* and data_root/val/CLASS/*. What is
# 'auto' follows from them (docs/own-pictures.md).
input_shape = (3, 224, 224)
data_preprocessor = dict(
    type='BatchPreprocessor',
    num_classes='auto',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

data_root = 'data/pictures'
bits = 8  # 16 keeps what samples of 16 bits have beyond 8
train_pipeline = [
    dict(type='LoadImage', bits=bits),
    dict(type='AntialiasedResizedCrop', scale=224, crop_ratio_range=(0.25, 1.0)),
    dict(type='RandomAugment', mirror=0.5),
    dict(type='PackTensors'),
]
test_pipeline = [
    dict(type='LoadImage', bits=bits),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

# Where there is no DIR/val: parts of each class, and their seed, or a file that names all pictures.
val_share, test_share = 0.2, 0.0
split_seed = 0
split_file = None
pictures = dict(
    type='FolderDataset',
    data_root=data_root,
    val_share=val_share,
    test_share=test_share,
    split_seed=split_seed,
    split_file=split_file,
)

balanced_sampler = False  # True: all classes are drawn equally often
train_dataloader = dict(
    batch_size='auto',
    num_workers='auto',
    drop_last=True,
    sampler=dict(type='BalancedSampler' if balanced_sampler else 'DefaultSampler', shuffle=True),
    dataset=dict(**pictures, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=32,
    num_workers='auto',
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**pictures, split='val', pipeline=test_pipeline),
)
val_evaluator = [
    dict(type='Accuracy', topk='auto'),
    dict(type='CrossEntropy'),
    dict(type='ClassReport'),
]

test_dataloader = dict(
    batch_size=32,
    num_workers='auto',
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**pictures, split='test', pipeline=test_pipeline),
)
test_evaluator = val_evaluator
