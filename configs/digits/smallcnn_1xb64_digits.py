# python tools/train.py configs/digits/smallcnn_1xb64_digits.py
# Hardware: one CPU core, half a minute
# Expected: 99.48 +- 0.23 % top-1 accuracy (AMD EPYC), 99.46 +- 0.27 % (Intel Xeon), ten seeds
_base_ = [
    '../_base_/models/smallcnn_digits.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/schedules/digits_bs64_30e.py',
    '../_base_/small_runtime.py',
]
