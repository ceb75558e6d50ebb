# titu1994/keras-squeeze-excite-network starts with 24 channels, the paper with 16.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallDenseNet', depth=40, growth_rate=12, stem_channels=24),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=456, topk=(1, 5)),
)
