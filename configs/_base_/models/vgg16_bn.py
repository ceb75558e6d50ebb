# VGG-16 with batch norm; it classifies itself, by three fully connected layers.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='VGG', depth=16, norm_cfg=dict(type='BN'), num_classes=1000),
    head=dict(type='ClsHead', topk=(1, 5)),
)
