# Places365 (8 million images of 365 scenes), prepared as ImageNet (paper, section 4.2).
_base_ = 'imagenet_bs32_mean.py'

data_preprocessor = dict(num_classes=365)
data_root = 'data/places365'
train_dataloader = dict(
    dataset=dict(type='Places365', data_root=data_root, split='train-challenge')
)
val_dataloader = dict(dataset=dict(type='Places365', data_root=data_root))
test_dataloader = val_dataloader
