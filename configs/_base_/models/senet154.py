# A 64x4d ResNeXt-152 with the appendix's changes; the recipe adds SE.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNeXt', depth=154),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, dropout=0.2, topk=(1, 5)),
)
