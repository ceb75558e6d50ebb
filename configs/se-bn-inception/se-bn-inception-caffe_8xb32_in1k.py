# tools/dist_train.sh configs/se-bn-inception/se-bn-inception-caffe_8xb32_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Published: 23.62 / 7.04 % top-1 / top-5 error (README of hujie-frank/SENet, single crop)
_base_ = [
    '../_base_/models/bn_inception.py',
    '../_base_/datasets/imagenet_bs32_senet_caffe.py',
    '../_base_/schedules/imagenet_bs256_270e.py',
    '../_base_/default_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16)))
# The author's weight decay for this network (issue 37 of hujie-frank/SENet).
optim_wrapper = dict(optimizer=dict(weight_decay=2e-4))
