# python tools/train.py configs/digits/seresnet8_1xb64_digits.py
# Hardware: two CPU cores, under a minute
# Expected: EXPECTED_SE
_base_ = 'resnet8_1xb64_digits.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
