_base_ = 'resnet50.py'

# The authors' ResNet strides in the first 1x1; their pooling rounds up.
model = dict(backbone=dict(block=dict(style='caffe'), stem=dict(pool='ceil')))
