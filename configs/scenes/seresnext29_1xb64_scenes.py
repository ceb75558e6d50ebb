# python tools/train.py configs/scenes/seresnext29_1xb64_scenes.py
# Hardware: one CPU core, a minute
# Expected: measured over seeds, docs/study.md
_base_ = [
    '../_base_/models/resnext29_scenes.py',
    '../_base_/datasets/scenes_bs64.py',
    '../_base_/schedules/scenes_bs64_2e.py',
    '../_base_/small_runtime.py',
]

model = dict(se=dict(layer=dict(type='SELayer', ratio=16, bias=False)))
