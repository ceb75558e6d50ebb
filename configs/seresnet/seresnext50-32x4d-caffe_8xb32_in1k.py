# tools/dist_train.sh configs/seresnet/seresnext50-32x4d-caffe_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Published: 20.97 / 5.54 % top-1 / top-5 error (README of hujie-frank/SENet, single crop)
_base_ = [
    '../_base_/models/resnext50-32x4d_caffe.py',
    '../_base_/datasets/imagenet_bs32_senet_caffe.py',
    '../_base_/schedules/imagenet_bs256_270e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
