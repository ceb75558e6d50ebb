# python tools/train.py configs/digits/seresnet8_1xb64_digits.py
# Hardware: one CPU core, half a minute
# Expected: 99.20 +- 0.25 % top-1 accuracy (AMD EPYC), 99.30 +- 0.24 % (Intel Xeon), ten seeds
_base_ = 'resnet8_1xb64_digits.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
