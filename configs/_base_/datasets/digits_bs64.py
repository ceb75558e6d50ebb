# The 1,797 handwritten digits (8x8) of scikit-learn; 30 % are held out.
input_shape = (1, 8, 8)
data_preprocessor = dict(num_classes=10, mean=[78.0], std=[96.0])

train_pipeline = [
    dict(type='RandomCrop', crop_size=8, padding=1),
    dict(type='PackInputs'),
]
# The held-out digits have this size; other pictures may have any.
test_pipeline = [
    dict(type='ResizeEdge', scale=8, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=8),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=0,  # making a sample costs less than sending it from a worker
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='Digits', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=180,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Digits', split='test', pipeline=test_pipeline),
)
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='CrossEntropy')]

test_dataloader = val_dataloader
test_evaluator = val_evaluator
