# ImageNet as in the paper (section 4.1): random crop, mirror, mean subtraction. Neither the paper
# nor its repository names an interpolation; here images are resized as in the base (docs/data.md).
_base_ = 'imagenet_bs32.py'

data_preprocessor = dict(mean=[123, 117, 104], std=[1, 1, 1])
