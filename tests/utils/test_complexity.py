"""Parameters and multiply-adds by part of a network."""

from torch import nn

from senet_mm.utils.complexity import get_complexity


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.ModuleList([nn.Conv2d(3, 4, 1, bias=False), nn.Sequential(nn.ReLU())])
        self.layers = nn.ModuleList(
            nn.Sequential(*(nn.Sequential(nn.Conv2d(4, 4, 1, bias=False)) for _ in range(blocks)))
            for blocks in (1, 2)
        )

    def forward(self, x):
        for layer in [*self.stem, *self.layers]:
            x = layer(x)
        return x


def test_stages_in_a_list_are_parts():
    """As of ShuffleNet; a list of layers, as a stem may be, is one part."""
    model = nn.Sequential()
    model.backbone = Backbone()
    model.head = nn.Conv2d(4, 1, 1, bias=False)
    stages = get_complexity(model, (3, 2, 2)).stages
    assert [(stage.name, stage.params, stage.macs) for stage in stages] == [
        ('backbone.stem', 12, 48),
        ('backbone.layers.0', 16, 64),
        ('backbone.layers.1', 32, 128),
        ('head', 4, 16),
    ]
