# python tools/train.py configs/scenes/seresnet29-4e_1xb64_scenes.py
# Hardware: one CPU core, two minutes
# Expected: measured over seeds, docs/study.md
_base_ = [
    '../_base_/models/resnet29_scenes.py',
    '../_base_/datasets/scenes_bs64.py',
    '../_base_/schedules/scenes_bs64_4e.py',
    '../_base_/small_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16, bias=False)))
