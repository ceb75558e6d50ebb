# bruinxiong/SENet.mxnet; --num-group is 32 by default, 64 in the commands of its README.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNeXt', depth=200, norm_cfg=dict(type='BN', eps=2e-5)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, topk=(1, 5)),
)
