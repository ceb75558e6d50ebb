# python tools/train.py configs/digits/sesmallcnn_1xb64_digits.py
# Hardware: two CPU cores, under a minute
# Expected: unknown until measured
_base_ = 'smallcnn_1xb64_digits.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
