# python tools/train.py configs/digits/sesmallcnn_1xb64_digits.py
# Hardware: one CPU core, half a minute
# Expected: 99.37 +- 0.25 % top-1 accuracy (AMD EPYC), 99.33 +- 0.45 % (Intel Xeon), ten seeds
_base_ = [
    '../_base_/models/smallcnn_digits.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/schedules/digits_bs64_30e.py',
    '../_base_/small_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
