# taki0112/SENet-Tensorflow: images of 32 pixels are padded to 96 within the network.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='InceptionResNetV2', variant='taki0112', image_padding=32),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=2144, topk=(1, 5), dropout=0.2),
)
