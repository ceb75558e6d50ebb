# tools/dist_train.sh configs/ablations/seresnet50_8xb32-300e_in1k.py 8
# Hardware: 8 GPUs of 12 GB or more (the authors used 8)
# Published: 22.28 / 6.03 % top-1 / top-5 error (paper, table 10)
_base_ = [
    '../_base_/models/resnet50_caffe.py',
    '../_base_/datasets/imagenet_bs32_mean.py',
    '../_base_/schedules/imagenet_bs256_plateau_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(label_smooth=0.1),
    # Without biases in the fully connected layers of SE (section 6).
    se=dict(layer=dict(type='SELayer', ratio=16, bias=False)),
)
