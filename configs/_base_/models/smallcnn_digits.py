_base_ = 'resnet20_cifar.py'

model = dict(backbone=dict(_delete_=True, type='SmallCNN', widths=(16, 32, 64), in_channels=1))
