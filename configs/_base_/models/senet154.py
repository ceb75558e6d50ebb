_base_ = 'resnet50.py'

# A 64x4d ResNeXt-152 with the appendix's changes; SE comes with the config that uses it.
model = dict(backbone=dict(type='ResNeXt', depth=154), head=dict(dropout=0.2))
