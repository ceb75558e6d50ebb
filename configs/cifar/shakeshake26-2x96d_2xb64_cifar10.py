# tools/dist_train.sh configs/cifar/shakeshake26-2x96d_2xb64_cifar10.py 2
# Hardware: 2 GPUs of 8 GB or more, as the author
# Published: 2.56 % top-1 error (paper, table 4)
_base_ = [
    '../_base_/models/shakeshake26-2x96d_cifar.py',
    '../_base_/datasets/cifar10_bs64_cutout.py',
    '../_base_/schedules/cifar_bs128_coslr_1800e.py',
    '../_base_/default_runtime.py',
]
