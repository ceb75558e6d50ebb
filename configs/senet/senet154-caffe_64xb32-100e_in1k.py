# NNODES=8 tools/dist_train.sh configs/senet/senet154-caffe_64xb32-100e_in1k.py 8
# Hardware: 8 machines of 8 GPUs of 24 GB or more, as the authors
# Published: 18.68 / 4.47 % top-1 / top-5 error (README of hujie-frank/SENet, single crop)
_base_ = [
    '../_base_/models/senet154_paper.py',
    '../_base_/datasets/imagenet_bs32_mean_caffe.py',
    '../_base_/schedules/imagenet_bs2048_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
