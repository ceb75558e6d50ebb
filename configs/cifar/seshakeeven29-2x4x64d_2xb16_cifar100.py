# tools/dist_train.sh configs/cifar/seshakeeven29-2x4x64d_2xb16_cifar100.py 2
# Hardware: 2 GPUs of 8 GB or more, as the author
# Published: 15.41 % error (paper, table 5)
_base_ = 'shakeeven29-2x4x64d_2xb16_cifar100.py'

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
