# NNODES=8 tools/dist_train.sh configs/senet/senet154_64xb32-100e-test320_in1k.py 8
# Hardware: 8 machines of 8 GPUs of 24 GB or more, as the authors
# Published: 17.28 / 3.79 % top-1 / top-5 error (paper, table 8)
_base_ = [
    '../_base_/models/senet154_paper.py',
    '../_base_/datasets/imagenet_bs32_test320.py',
    '../_base_/schedules/imagenet_bs2048_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
