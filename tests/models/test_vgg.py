import pytest
import torch
from mmpretrain.models import backbones

from senet_mm.models import VGG


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_equals_mmpretrain_in_any_memory_format(memory_format):
    arguments = dict(depth=11, norm_cfg=dict(type='BN'), num_classes=5)
    ours, peer = VGG(**arguments), backbones.VGG(**arguments)
    ours.load_state_dict(peer.state_dict())
    for model in (ours, peer):
        model.eval()
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        [out] = ours(x.to(memory_format=memory_format))
        torch.testing.assert_close(out, peer(x)[0], rtol=1e-4, atol=1e-5)
