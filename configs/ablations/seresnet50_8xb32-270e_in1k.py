# tools/dist_train.sh configs/ablations/seresnet50_8xb32-270e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8)
# Published: 22.20 / 6.00 % top-1 / top-5 error (paper, footnote 2 of section 6)
_base_ = 'seresnet50_8xb32-300e_in1k.py'

param_scheduler = dict(
    _delete_=True, type='MultiStepLR', by_epoch=True, milestones=[125, 200, 250], gamma=0.1
)
train_cfg = dict(max_epochs=270)
