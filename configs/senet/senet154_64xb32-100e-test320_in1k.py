# NNODES=8 tools/dist_train.sh configs/senet/senet154_64xb32-100e-test320_in1k.py 8
# Hardware: 8 machines of 8 GPUs of 24 GB or more, as the authors
# Published: 17.28 / 3.79 % top-1 / top-5 error (paper, table 8), trained at 224
_base_ = 'senet154_64xb32-100e_in1k.py'

input_shape = (3, 320, 320)
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=366, edge='short'),
    dict(type='CenterCrop', crop_size=320),
    dict(type='PackInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
