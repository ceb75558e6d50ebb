# NNODES=8 tools/dist_train.sh configs/senet/senet154-caffe_in1k.py 8
# Hardware: 8 machines of 8 GPUs of 24 GB or more, as the authors
# Published: 18.68 / 4.47 % top-1 / top-5 error, single crop (README of hujie-frank/SENet)
_base_ = 'senet154_64xb32-100e_in1k.py'

# Caffe's images: BGR, mean subtracted, not scaled.
data_preprocessor = dict(mean=[104, 117, 123], to_rgb=False)
