# tools/dist_train.sh configs/cifar/seshakeeven29-2x4x64d_2xb16_cifar100.py 2
# Hardware: 2 GPUs of 8 GB or more, as the author
# Published: 15.41 % top-1 error (paper, table 5)
_base_ = [
    '../_base_/models/shakeeven29-2x4x64d_cifar.py',
    '../_base_/datasets/cifar100_bs16_cutout.py',
    '../_base_/schedules/cifar_bs32_coslr_1800e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=100),
    se=dict(layer=dict(type='SELayer', ratio=16)),
)
