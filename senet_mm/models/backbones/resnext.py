"""ResNeXt and SENet-154 without their SE: grouped bottlenecks."""

from senet_mm.registry import MODELS

from .resnet import SMALL_STEM, Arch, Bottleneck, ResNet, Stem


@MODELS.register_module()
class ResNeXt(ResNet):
    """ResNeXt (Xie et al., arXiv:1611.05431); arguments as :class:`ResNet`.

    Depths 50 to 269 are 32x4d; 200 and 269 are those of bruinxiong/SENet.mxnet. Depth 29 is the
    network for small images, 8x64d unless stated otherwise (section 5.3). Depth 154 is SENet-154
    without its SE: 64x4d, deep stem, halved first 1x1, 3x3 projections (Hu et al.,
    arXiv:1709.01507, appendix).
    """

    arch_settings = {
        29: Arch(Bottleneck, (3, 3, 3), stem=SMALL_STEM, spec=dict(groups=8, width_per_group=64)),
        **{
            depth: Arch(Bottleneck, num_blocks, spec=dict(groups=32, width_per_group=4))
            for depth, num_blocks in {
                50: (3, 4, 6, 3),
                101: (3, 4, 23, 3),
                152: (3, 8, 36, 3),
                200: (3, 24, 36, 3),
                269: (3, 30, 48, 8),
            }.items()
        },
        154: Arch(
            Bottleneck,
            (3, 8, 36, 3),
            stem=Stem(channels=(64, 64, 128), kernel_size=3),
            spec=dict(groups=64, width_per_group=4, halve_conv1=True, downsample='conv3x3'),
        ),
    }
