# tools/dist_train.sh configs/ablations/seresnet50-tanh_8xb32-300e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8)
# Published: 23.00 / 6.38 % top-1 / top-5 error (paper, table 12)
_base_ = 'seresnet50_8xb32-300e_in1k.py'

model = dict(se=dict(layer=dict(gate_cfg=dict(type='Tanh'))))
