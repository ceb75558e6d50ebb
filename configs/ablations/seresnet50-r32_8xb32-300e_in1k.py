# tools/dist_train.sh configs/ablations/seresnet50-r32_8xb32-300e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8)
# Published: 22.72 / 6.20 % top-1 / top-5 error (paper, table 10)
_base_ = 'seresnet50_8xb32-300e_in1k.py'

model = dict(se=dict(layer=dict(ratio=32)))
