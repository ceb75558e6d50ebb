# ImageNet as in the paper (section 4.1): random crop, mirror, mean subtraction.
_base_ = 'imagenet_bs32.py'

data_preprocessor = dict(mean=[123, 117, 104], std=[1, 1, 1])
