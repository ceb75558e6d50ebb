# python tools/train.py configs/finetune/seresnet18_1xb32_folder.py
# Hardware: one GPU of 4 GB or more, or CPUs
# Expected: depends on the pictures (docs/own-pictures.md)
_base_ = [
    '../_base_/models/resnet18.py',
    '../_base_/datasets/folder_bs32.py',
    '../_base_/schedules/finetune_bs32_cosine.py',
    '../_base_/finetune_runtime.py',
]

class_weight = None  # 'balanced': mistakes on small classes cost more
head = dict(num_classes='auto', topk='auto', class_weight=class_weight)
model = dict(se=dict(layer=dict(type='SELayer', ratio=16)), head=head)
