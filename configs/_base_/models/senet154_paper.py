_base_ = 'senet154.py'

# As the paper trains it (appendix): Caffe's pooling, label smoothing.
model = dict(backbone=dict(stem=dict(pool='ceil')), head=dict(label_smooth=0.1))
