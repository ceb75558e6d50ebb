import pytest

from senet_mm.cli import reported_errors
from senet_mm.registry import MODELS


@pytest.mark.parametrize(
    'network',
    [
        dict(type='mmpretrain.ResNet', depth=18),
        dict(type='VGG', depth=11),
        dict(type='mmpretrain.ConvNeXt'),
        dict(type='mmpretrain.RegNet', arch='regnetx_400mf'),
    ],
)
def test_more_frozen_stages_than_there_are(network, capsys):
    """One line, without the traceback, though upstream raises whatever comes."""
    name = network['type'].rpartition('.')[2]
    message = f'^error: frozen_stages=9: {name} has fewer stages; allowed'
    with pytest.raises(SystemExit, match=message), reported_errors():
        MODELS.build({**network, 'frozen_stages': 9}).train()
    assert 'Traceback' not in capsys.readouterr().err
