# The authors' ResNet strides in the first 1x1; their pooling rounds up.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=101, block=dict(style='caffe'), stem=dict(pool='ceil')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, topk=(1, 5)),
)
