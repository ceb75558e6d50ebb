# tools/dist_train.sh configs/ablations/seresnet50-stage3_8xb32-300e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8)
# Published: 23.04 / 6.32 % top-1 / top-5 error (paper, table 13)
_base_ = 'seresnet50_8xb32-300e_in1k.py'

model = dict(se=dict(stages=(3,)))
