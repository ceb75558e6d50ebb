# Grey crops (24x24) of 21 photographs, 2,000 of each for training and 200 of other parts of it for
# testing: python tools/dataset_tools/make_scenes.py data/scenes. Rotation, scale, mirroring,
# contrast and brightness are drawn there, nothing more in training.
input_shape = (1, 24, 24)
data_preprocessor = dict(
    type='BatchPreprocessor', num_classes=21, mean=[120.0], std=[60.0], to_rgb=False
)

data_root = 'data/scenes'
train_pipeline = [dict(type='PackTensors')]
test_pipeline = [dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=64,
    num_workers=0,  # making a sample costs less than sending it from a worker
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='Scenes', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=200,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Scenes', data_root=data_root, split='test', pipeline=test_pipeline),
)
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='CrossEntropy')]

test_dataloader = val_dataloader
test_evaluator = val_evaluator
