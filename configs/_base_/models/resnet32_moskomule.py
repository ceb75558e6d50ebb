# moskomule/senet.pytorch: shortcuts that change shape are 1x1 convolutions.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=32, block=dict(downsample='conv1x1')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64, topk=(1, 5)),
)
