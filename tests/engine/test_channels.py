"""From files of one channel and 16 bits, or of four channels, to a trained network."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from senet_mm.apis import get_config, get_model
from senet_mm.engine import Runner, load_from_local
from senet_mm.engine.dry_batch import check_statistics
from senet_mm.registry import TRANSFORMS

from .test_runner import digits

RECIPE = 'seresnet18_1xb32_folder'
# Of small pictures, on a CPU.
QUICK = {
    'train_pipeline.1.scale': 32,
    'test_pipeline.1.scale': 40,
    'test_pipeline.2.crop_size': 32,
    'train_dataloader.num_workers': 0,
    'val_dataloader.num_workers': 0,
    'fuse_tails': None,
    'train_cfg.max_epochs': 1,
}


def write_pictures(folder, channels):
    """Pictures of 16 bits, 40 x 40 pixels, in two classes."""
    rng = np.random.default_rng(0)
    for name, most in (('dark', 20_000), ('bright', 65_536)):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            shape = (40, 40) if channels == 1 else (40, 40, channels)
            image = rng.integers(0, most, shape).astype(np.uint16)
            assert cv2.imwrite(str(folder / name / f'{i}.png'), image)


def train(folder, work_dir, **options):
    options = {'data_root': str(folder), **QUICK, **options}
    cfg = get_config(RECIPE, options)
    cfg.work_dir = str(work_dir)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def prepare(model, path):
    """The network's input for a file, (C, H, W), by the test of the model's config."""
    results = dict(img_path=str(path), gt_label=0)
    for step in model.cfg.test_dataloader.dataset.pipeline:
        results = TRANSFORMS.build(step)(results)
    return model.data_preprocessor(pseudo_collate([results]))['inputs'][0]


@pytest.mark.slow
@pytest.mark.parametrize('channels', [1, 4])
def test_the_folder_recipe(tmp_path, channels):
    """One word, and one for 16 bits; the network's input is NumPy's, after training as well."""
    write_pictures(tmp_path / 'set', channels)
    torch.manual_seed(0)
    start = get_model('seresnet18_8xb32_in1k')
    torch.save(dict(state_dict=start.state_dict()), tmp_path / 'start.pth')
    options = dict(in_channels=channels, bits=16, load_from=str(tmp_path / 'start.pth'))
    train(tmp_path / 'set', tmp_path / 'run', **options)
    file = tmp_path / 'run/epoch_1.pth'
    described = load_from_local(str(file))['meta']['preprocessing']
    assert (described['bits'], described['input_size']) == (16, [channels, 32, 32])
    # A name and the file: bits, mean and size come from the file.
    model = get_model(RECIPE, str(file), in_channels=channels)
    path = tmp_path / 'set/bright/0.png'
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).reshape(40, 40, channels)[4:36, 4:36]
    rgb = stored if channels == 1 else stored[..., [2, 1, 0, 3]]
    mean, std = (np.array(described[name]) for name in ('mean', 'std'))
    expected = torch.from_numpy((rgb / 257 - mean) / std).permute(2, 0, 1).float()
    torch.testing.assert_close(prepare(model, path), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 1])
def test_files_of_other_channels_end_the_run_at_the_start(tmp_path, workers):
    write_pictures(tmp_path / 'set', 3)
    message = (
        rf'^train_dataloader: no batch can be made of its samples: {tmp_path}/set/\w+/\d.png has 3 '
        r'channels and the network takes 4; allowed: files with as many channels, or in_chan'
    )
    options = {'in_channels': 4, 'train_dataloader.num_workers': workers}
    with pytest.raises(ValueError, match=message) as error:
        train(tmp_path / 'set', tmp_path / 'run', **options)
    assert '\n' not in str(error.value)


def test_raw_16_bits_and_the_mean_of_8(tmp_path):
    """As mmcv's loader gives them: what would be 257 times too bright is refused."""
    image = np.full((8, 8), 30_000, np.uint16)
    assert cv2.imwrite(str(tmp_path / 'a.png'), image)
    results = dict(img_path=str(tmp_path / 'a.png'), gt_label=0)
    for step in (dict(type='LoadImageFromFile', color_type='unchanged'), dict(type='PackInputs')):
        results = TRANSFORMS.build(step)(results)
    batch = pseudo_collate([results])
    prepare = get_model('seresnet8_1xb64_digits').data_preprocessor
    message = 'x: images of 16 bits, from 0 to 65535, and data_preprocessor.mean of 8 bits; allowed'
    with pytest.raises(ValueError, match=message):
        check_statistics(prepare, batch, 'x')
    prepare.mean, prepare.std = torch.tensor([[[20_000.0]]]), torch.tensor([[[10_000.0]]])
    check_statistics(prepare, batch, 'x')
    assert prepare(batch)['inputs'].unique().tolist() == [1]


def test_arrays_of_other_channels(tmp_path):
    """What data sets of arrays have is seen in their first batch."""
    cfg = digits(tmp_path, in_channels=4)
    with pytest.raises(ValueError, match=r'images of 1 channel, and the network takes 4; allow'):
        Runner.from_cfg(cfg).train()
