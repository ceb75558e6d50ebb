# tools/dist_train.sh configs/seresnet/seresnet50-caffe_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8 Titan X)
# Published: 22.37 / 6.36 % top-1 / top-5 error, single crop (README of hujie-frank/SENet)
_base_ = 'seresnet50_8xb32_in1k.py'

model = dict(backbone=dict(block=dict(style='caffe'), stem=dict(pool='ceil')))
# Caffe's images: BGR, mean subtracted, not scaled.
data_preprocessor = dict(mean=[104, 117, 123], to_rgb=False)
