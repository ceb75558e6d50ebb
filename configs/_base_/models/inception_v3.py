# Inception-v3 without its auxiliary classifier; it classifies itself.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='InceptionV3', num_classes=1000),
    head=dict(type='ClsHead', topk=(1, 5)),
)
