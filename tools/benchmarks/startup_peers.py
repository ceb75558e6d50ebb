#!/usr/bin/env python
"""The peers of startup.py: SE-ResNet-50 trained by mmpretrain and by timm on random images.

python tools/benchmarks/startup_peers.py mmpretrain --batch-size 8 --iterations 3
"""

import argparse
import tempfile
from pathlib import Path

from senet_mm.utils.usage import ToolParser

OPTIMIZER = dict(lr=0.1, momentum=0.9, weight_decay=1e-4)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('what', choices=['mmpretrain', 'timm', 'checkpoint'], help='what is run')
    parser.add_argument('--batch-size', type=int, default=8, help='images of a batch')
    parser.add_argument('--iterations', type=int, default=3, help='of the training')
    parser.add_argument('--out', type=Path, help='checkpoint of mmpretrain to write')
    return parser.parse_args()


def make_model() -> dict:
    """SE-ResNet-50 in a config of mmpretrain."""
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='SEResNet', depth=50),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=1000, in_channels=2048,
            loss=dict(type='CrossEntropyLoss'),
        ),
        data_preprocessor=dict(num_classes=1000, mean=[0.0] * 3, std=[1.0] * 3),
    )  # fmt: skip


def train_mmpretrain(args: argparse.Namespace) -> None:
    """By mmengine's runner with the hooks that it has by default, but for checkpoints."""
    import torch
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    from mmpretrain.structures import DataSample

    init_default_scope('mmpretrain')
    images = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    sample = dict(inputs=images, data_samples=DataSample().set_gt_label(1))
    with tempfile.TemporaryDirectory() as folder:
        Runner(
            make_model(), folder,
            train_dataloader=dict(
                dataset=[sample] * args.batch_size * args.iterations, batch_size=args.batch_size,
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='default_collate'),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', **OPTIMIZER)),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='CheckpointHook', interval=-1, save_last=False),
            ),
            default_scope='mmpretrain',
        ).train()  # fmt: skip


def train_timm(args: argparse.Namespace) -> None:
    """By a loop as in timm's train.py, without its logs."""
    import timm
    import torch
    from timm.optim import create_optimizer_v2

    images = torch.randint(0, 256, (args.batch_size, 3, 224, 224), dtype=torch.uint8)
    labels = torch.ones(args.batch_size, dtype=torch.long)
    model = timm.create_model('seresnet50').train()
    optimizer = create_optimizer_v2(model, opt='sgd', **OPTIMIZER)
    for iteration in range(args.iterations):
        loss = torch.nn.functional.cross_entropy(model(images.float()), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if iteration == 0:
            print('first iteration', flush=True)


def write_checkpoint(args: argparse.Namespace) -> None:
    """A checkpoint of mmpretrain without metadata."""
    import torch
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    init_default_scope('mmpretrain')
    torch.save(dict(state_dict=MODELS.build(make_model()).state_dict(), meta={}), args.out)


if __name__ == '__main__':
    args = parse_args()
    dict(mmpretrain=train_mmpretrain, timm=train_timm, checkpoint=write_checkpoint)[args.what](args)
