# python tools/train.py configs/digits/resnet8_1xb64_digits.py
# Hardware: one CPU core, half a minute
# Expected: 99.41 +- 0.37 % top-1 accuracy (AMD EPYC), 99.31 +- 0.26 % (Intel Xeon), ten seeds
_base_ = [
    '../_base_/models/resnet8_digits.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/schedules/digits_bs64_30e.py',
    '../_base_/small_runtime.py',
]
