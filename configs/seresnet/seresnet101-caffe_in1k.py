# tools/dist_train.sh configs/seresnet/seresnet101-caffe_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Published: 21.75 / 5.72 % top-1 / top-5 error, single crop (README of hujie-frank/SENet)
_base_ = 'seresnet50-caffe_in1k.py'

model = dict(backbone=dict(depth=101))
