# tools/dist_train.sh configs/ablations/seresnet50-stage4_8xb32-300e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8)
# Published: 22.68 / 6.22 % top-1 / top-5 error (paper, table 13)
_base_ = 'seresnet50_8xb32-300e_in1k.py'

model = dict(se=dict(stages=(4,)))
