_base_ = 'resnet20_cifar.py'

model = dict(backbone=dict(_delete_=True, type='PreActResNet', depth=110))
