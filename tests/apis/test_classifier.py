"""Images classified by a file alone: what is given, what comes out, and the numbers of the test."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain import ImageClassificationInferencer, inference_model
from PIL import Image

import senet_mm
from senet_mm.apis import Classifier, get_model
from senet_mm.config import get_config
from senet_mm.datasets import Digits
from senet_mm.datasets.given import GivenImages
from senet_mm.datasets.image_paths import find_images
from senet_mm.datasets.images.given import convert_decoded, to_array
from senet_mm.deploy import deploy
from senet_mm.engine import Runner
from senet_mm.engine.weights.record import record_of, to_meta
from senet_mm.utils.errors import UserError

from ..conftest import load_tool
from ..engine.test_runner import digits

NAME = 'seresnet8_1xb64_digits'
COLOURS = 'seresnet20_8xb16_cifar10'
NUMBER = 24


def save(path, name=NAME, classes=None, **options):
    """A checkpoint of an initialised network."""
    model = get_model(name, **options)
    record = record_of(model) | dict(classes=classes)
    torch.save(dict(state_dict=model.state_dict(), meta=to_meta(record)), path)
    return path


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The checkpoint of two epochs on the digits."""
    work_dir = tmp_path_factory.mktemp('run')
    Runner.from_cfg(digits(work_dir, **{'train_cfg.max_epochs': 2})).train()
    return work_dir / 'epoch_2.pth'


@pytest.fixture(scope='module')
def arrays():
    """Test images of the digits, uint8 (8, 8, 1)."""
    with DefaultScope.overwrite_default_scope('senet_mm'):
        dataset = Digits('test', pipeline=[])
    return [dataset[i]['img'] for i in range(NUMBER)]


@pytest.fixture(scope='module')
def folder(arrays, tmp_path_factory):
    """The same as files, and what is no image."""
    folder = tmp_path_factory.mktemp('pictures')
    for number, array in enumerate(arrays):
        Image.fromarray(array[..., 0]).save(folder / f'{number:02}.png')
    (folder / '.DS_Store').write_text('x')
    (folder / 'notes.md').write_text('x')
    return folder


def scores_of(results):
    return np.stack([result['pred_scores'] for result in results])


def test_numbers_are_those_of_the_test(trained, arrays, tmp_path, monkeypatch):
    """To the bit, in the same batches."""
    tool = load_tool('tools/test.py')
    out = tmp_path / 'predictions.pkl'
    argv = ['test.py', NAME, str(trained), '--out', str(out), '--work-dir', str(tmp_path)]
    monkeypatch.setattr('sys.argv', argv)
    tool.main(tool.parse_args())
    expected = [prediction['pred_score'].numpy() for prediction in pickle.loads(out.read_bytes())]
    dataset = Digits('test', pipeline=[])
    given = [dataset[i]['img'] for i in range(len(dataset))]
    classifier = Classifier(trained)
    assert classifier.batch_size == 180
    assert np.array_equal(scores_of(classifier(given)), np.stack(expected))
    one = scores_of(Classifier(trained, batch_size=7)(given))
    assert np.abs(one - np.stack(expected)).max() < 1e-5


def test_ways_to_give_an_image(trained, arrays, folder):
    classifier = Classifier(trained)
    expected = scores_of(classifier(arrays))
    stack = np.stack(arrays)
    given = {
        'folder': str(folder),
        'path': folder,
        'pattern': str(folder / '*.png'),
        'files': sorted(folder.glob('*.png')),
        'batch': stack,
        'grey': [array[..., 0] for array in arrays],
        'pillow': tuple(Image.fromarray(array[..., 0]) for array in arrays),
        'colours': [np.repeat(array, 3, axis=2) for array in arrays],
        'tensors': [torch.from_numpy(array).permute(2, 0, 1) for array in arrays],
        'batch of tensors': torch.from_numpy(stack).permute(0, 3, 1, 2),
        'mixed': [str(folder / '00.png'), arrays[1:9], stack[9:]],
    }
    for name, images in given.items():
        results = classifier(images)
        assert np.array_equal(scores_of(results), expected), name
    assert [result['img_path'] for result in classifier(folder)] == [
        str(path) for path in sorted(folder.glob('*.png'))
    ]


@pytest.mark.parametrize('workers', [0, 2])
def test_results_are_in_the_order_of_the_input(trained, folder, workers):
    classifier = Classifier(trained, batch_size=5, workers=workers)
    paths = sorted(map(str, folder.glob('*.png')))[::-1]
    one, results = Classifier(trained), classifier(paths)
    assert [result['img_path'] for result in results] == paths
    for path, result in zip(paths, results, strict=True):
        [alone] = one(path)
        assert np.allclose(result['pred_scores'], alone['pred_scores'], atol=1e-5)


def test_best_classes(trained, arrays):
    results = Classifier(trained)(arrays, topk=3)
    for result in results:
        scores = result['pred_scores']
        order = np.argsort(-scores, kind='stable')[:3]
        assert result['top_labels'] == order.tolist()
        assert result['top_scores'] == scores[order].tolist()
        assert result['top_classes'] == [str(label) for label in order]
        assert (result['pred_label'], result['pred_class']) == (order[0], str(order[0]))
        assert result['pred_score'] == scores.max()
    accurate = [result['pred_label'] for result in results]
    dataset = Digits('test', pipeline=[])
    labels = [dataset[i]['gt_label'] for i in range(NUMBER)]
    assert np.mean(np.equal(accurate, labels)) > 0.5


@pytest.mark.parametrize('topk', [0, 11, 2.0])
def test_number_of_best_classes_is_refused(trained, arrays, topk):
    with pytest.raises(ValueError, match=re.escape(f'topk={topk}; allowed: ')):
        Classifier(trained)(arrays, topk=topk)


def test_damaged_images_have_their_place(trained, folder, tmp_path, logged):
    (tmp_path / 'a.png').write_bytes(b'none')
    good = str(folder / '00.png')
    paths = [good, str(tmp_path / 'a.png'), good]
    results = Classifier(trained, batch_size=2)(paths)
    assert [result['img_path'] for result in results] == paths
    assert results[1].keys() == {'img_path', 'error'}
    assert results[1]['error'].startswith('not an image')
    assert np.array_equal(results[0]['pred_scores'], results[2]['pred_scores'])
    assert any('a.png: not an image' in message for message in logged.messages)
    [alone] = Classifier(trained)(paths[1])
    assert alone == results[1]


def without_resize():
    """The config of the digits, which takes images of 8 x 8 pixels alone."""
    return get_config(NAME, dict(test_pipeline=[dict(type='PackInputs')]))


def test_image_of_another_size_than_the_network_takes(tmp_path):
    file = save(tmp_path / 'a.pth', without_resize())
    [result] = Classifier(file)(np.zeros((9, 8), np.uint8))
    assert result == dict(
        error='it has 8 x 9 pixels, and the images of the network are not resized; allowed: 8 x 8'
    )


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((8, 8), np.float32), 'an image of float32 (8, 8); allowed: a path, '),
        (np.zeros((8, 8, 2), np.uint8), 'an image of 2 channels, (8, 8, 2); allowed: '),
        (np.zeros(8, np.uint8), 'an image of uint8 (8,); allowed: '),
        (torch.zeros(1, 8, 8), 'an image of float32 (8, 8, 1); allowed: '),
        (5, 'an image of type int; allowed: '),
        (None, 'an image of type NoneType; allowed: '),
    ],
)
def test_what_is_no_image(trained, image, message):
    [result] = Classifier(trained)([image])
    assert result['error'].startswith(message)


@pytest.mark.parametrize('images', [[], (), 'nowhere.png', 'nowhere/*.png'])
def test_no_image(trained, images):
    with pytest.raises((ValueError, FileNotFoundError), match='allowed: '):
        Classifier(trained)(images)


def test_order_of_colours(tmp_path):
    """Of arrays RGB, for a network of files (BGR) and one of arrays (RGB)."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / 'a.png')
    for name in (COLOURS, 'smallcnn_1xb128_cifar10'):
        classifier = Classifier(save(tmp_path / 'a.pth', name))
        one, two, three = classifier([tmp_path / 'a.png', picture, picture[..., ::-1].copy()])
        assert np.array_equal(one['pred_scores'], two['pred_scores'])
        assert not np.array_equal(one['pred_scores'], three['pred_scores'])
        model = get_model(checkpoint=tmp_path / 'a.pth')
        normalised = model.data_preprocessor
        mean, std = (getattr(normalised, key).flatten().numpy() for key in ('mean', 'std'))
        image = torch.from_numpy(((picture - mean) / std).transpose(2, 0, 1)).float()
        with torch.no_grad():
            expected = model(image[None]).softmax(1)[0].numpy()
        assert np.allclose(two['pred_scores'], expected, atol=1e-5)


def test_arrays_become_what_files_are_decoded_to():
    picture = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)
    assert np.array_equal(to_array(picture[..., :3]), picture[..., [2, 1, 0]])
    assert np.array_equal(to_array(Image.fromarray(picture)), picture[..., [2, 1, 0, 3]])
    assert convert_decoded(to_array(picture), 'color', 8).shape == (5, 4, 3)
    assert convert_decoded(to_array(picture[..., 0]), 'color', 8).shape == (5, 4, 3)
    assert convert_decoded(to_array(picture), 'unchanged', 8).shape == (5, 4, 4)
    assert convert_decoded(to_array(picture), 'grayscale', 16).dtype == np.float32


def test_images_of_16_bits(tmp_path):
    """Whole where the config asks for them, else arrays of them are refused."""
    grey = np.random.default_rng(0).integers(0, 2**16, (32, 32), np.uint16)
    Image.fromarray(grey).save(tmp_path / 'a.png')
    steps = [dict(type='LoadImage', color_type='grayscale', bits=16), dict(type='PackInputs')]
    given = [tmp_path / 'a.png', grey, Image.open(tmp_path / 'a.png'), grey[..., None]]
    samples = GivenImages(given, steps, 1)
    expected = torch.from_numpy(grey / np.float32(257))[None]
    for sample in map(samples.__getitem__, range(len(given))):
        assert torch.allclose(sample['inputs'], expected)
    [result] = Classifier(save(tmp_path / 'b.pth'))(grey)
    assert result['error'].startswith('an image of uint16 (32, 32); allowed: ')


def test_names_of_classes(tmp_path, arrays):
    file = save(tmp_path / 'a.pth')
    classifier = Classifier(file)
    assert classifier.classes is None
    [result] = classifier(arrays[0])
    assert 'pred_class' not in result
    names = [f'n{i}' for i in range(10)]
    (tmp_path / 'names.txt').write_text('\n'.join(names))
    for given in (names, str(tmp_path / 'names.txt')):
        [result] = Classifier(file, classes=given)(arrays[0])
        assert result['pred_class'] == f'n{result["pred_label"]}'
    with pytest.raises(ValueError, match='classes: 2 names; allowed: 10, one for each class of'):
        Classifier(file, classes=['a', 'b'])
    named = save(tmp_path / 'b.pth', classes=names)
    with pytest.raises(ValueError, match=r"number 0 is 'a', .*b.pth has 'n0'; allowed: the names"):
        Classifier(named, classes=['a', *names[1:]])


def test_checkpoint_without_a_config(tmp_path, arrays):
    file = tmp_path / 'a.pth'
    torch.save(get_model(NAME).state_dict(), file)
    with pytest.raises(ValueError, match=r'a.pth alone does not say its network: it has no config'):
        Classifier(file)
    assert Classifier(file, NAME)(arrays[0])


@pytest.mark.parametrize(
    ('target', 'with_images'),
    [('fold', False), ('onnx', False), ('onnx', True), ('openvino', False)],
)
@pytest.mark.slow
def test_exported_files(trained, arrays, tmp_path, target, with_images):
    model = get_model(checkpoint=trained)
    example = torch.randn(2, 1, 8, 8)
    path = deploy(model, target, example, tmp_path, record_of(model), with_images).path
    classifier = Classifier(path)
    assert classifier.classes == tuple('0123456789')
    expected, given = Classifier(trained)(arrays, topk=2), classifier(arrays, topk=2)
    # bfloat16, where the CPU has it.
    limit = 1e-5 if target == 'onnx' else 0.05
    assert np.abs(scores_of(given) - scores_of(expected)).max() < limit
    assert [r['pred_class'] for r in given] == [r['pred_class'] for r in expected]
    with pytest.raises(ValueError, match=r'device=cuda with the exported file .*allowed: a chec'):
        Classifier(path, device='cuda')
    with pytest.raises(ValueError, match=f'config={NAME} with the exported file'):
        Classifier(path, NAME)


@pytest.mark.parametrize(
    'name',
    [NAME, COLOURS, pytest.param('seresnet18_8xb32_in1k', marks=pytest.mark.slow)],
)
def test_inferencers_of_mmpretrain(name, tmp_path, monkeypatch):
    monkeypatch.setattr(DefaultScope, '_instance_dict', {}, raising=False)
    file = save(tmp_path / 'a.pth', name, [f'n{i}' for i in range(4)], num_classes=4)
    model = get_model(checkpoint=file)
    shape = model.cfg.input_shape
    picture = np.random.default_rng(0).integers(0, 256, (*shape[1:], 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / 'a.png')
    [expected] = Classifier(file)(tmp_path / 'a.png')
    [result] = ImageClassificationInferencer(model)(str(tmp_path / 'a.png'))
    assert result['pred_class'] == expected['pred_class']
    assert np.allclose(result['pred_scores'], expected['pred_scores'], atol=1e-3)
    again = inference_model(model, str(tmp_path / 'a.png'))
    assert np.array_equal(again['pred_scores'], result['pred_scores'])
    # Their arrays are BGR.
    [array] = ImageClassificationInferencer(model)(picture[..., ::-1])
    assert np.array_equal(array['pred_scores'], result['pred_scores'])


@pytest.mark.parametrize(
    'infer', [inference_model, lambda m, x: ImageClassificationInferencer(m)(x)]
)
def test_inferencers_refuse_what_they_would_get_wrong(infer, tmp_path):
    """mmpretrain decodes files to 8 bits before our first step, and resizes nothing."""
    fixed = get_model(without_resize())
    Image.new('RGB', (512, 511)).save(tmp_path / 'large.png')
    with pytest.raises(ValueError, match=r'it has 512 x 511 pixels, .*; allowed: 8 x 8$'):
        infer(fixed, str(tmp_path / 'large.png'))
    with pytest.raises(ValueError, match='decoded to uint16, and the network takes uint8; allowed'):
        infer(fixed, np.zeros((8, 8, 3), np.uint16))


def test_inferencers_and_16_bits(tmp_path):
    config = get_config('seresnet18_1xb32_folder', dict(bits=16, in_channels=1))
    file = save(tmp_path / 'a.pth', config, num_classes=3)
    picture = np.random.default_rng(0).integers(0, 65536, (40, 50), np.uint16)
    Image.fromarray(picture).save(tmp_path / 'a.png')
    model = get_model(checkpoint=file)
    with pytest.raises(ValueError, match='decoded to uint8, and the network takes uint16; allowed'):
        inference_model(model, str(tmp_path / 'a.png'))
    [expected] = Classifier(file)(tmp_path / 'a.png')
    result = inference_model(model, picture)
    assert np.allclose(result['pred_scores'], expected['pred_scores'], atol=1e-6)


def test_record_of_a_classifier(trained):
    record = Classifier(trained).record
    assert (record['recipe'], record['classes']) == (NAME, list('0123456789'))
    assert record['preprocessing']['mean'] == [78.0]


def test_class_from_the_top_of_the_package():
    assert senet_mm.Classifier is Classifier


def test_paths_on_a_command_line(folder, tmp_path):
    files = sorted(map(str, folder.glob('*.png')))
    assert find_images([folder]) == files
    assert find_images([files[3], folder / '0[01].png']) == [files[3], files[0], files[1]]
    lines = [f'{files[2]}\n', '\n', f'{files[0]}\r\n']
    assert find_images(['-'], lines) == [files[2], files[0]]
    (tmp_path / 'ä b').mkdir()
    (tmp_path / 'ä b' / 'C.JPG').touch()
    (tmp_path / 'ä b' / '.c.jpg').touch()
    assert find_images([tmp_path]) == [str(tmp_path / 'ä b' / 'C.JPG')]


WRONG_PATHS = {
    'nowhere.png': 'image nowhere.png does not exist; allowed: files, folders, patterns such as',
    'a/*.png': 'a/*.png fits no image; allowed: ',
    'empty': 'folder empty has no image (it is empty); allowed: .avif, ',
    'texts': 'folder texts has no image (1 file left out: 1 .md, the first a.md); allowed: .avif, ',
}


@pytest.mark.parametrize('given', WRONG_PATHS)
def test_paths_without_an_image(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'texts').mkdir()
    (tmp_path / 'texts/a.md').touch()
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(WRONG_PATHS[given])):
        find_images([given])
    with pytest.raises((ValueError, FileNotFoundError), match=r'^line 1 of the list: '):
        find_images(['-'], [given])


def test_a_list_without_a_line():
    with pytest.raises(ValueError, match=r'^there is no image; allowed: files, folders'):
        find_images(['-'], ['\n'])


@pytest.mark.slow
@pytest.mark.parametrize('target', ['fold', 'onnx', 'openvino'])
def test_exported_file_with_its_suffix_in_capitals(trained, arrays, tmp_path, target):
    model = get_model(checkpoint=trained)
    path = Path(deploy(model, target, torch.randn(2, 1, 8, 8), tmp_path, record_of(model)).path)
    expected = Classifier(path)(arrays)
    path = path.rename(path.with_suffix(path.suffix.upper()))
    assert (scores_of(Classifier(path)(arrays)) == scores_of(expected)).all()


@pytest.mark.slow
def test_openvino_without_its_weights(trained, tmp_path):
    model = get_model(checkpoint=trained)
    path = deploy(model, 'openvino', torch.randn(2, 1, 8, 8), tmp_path, record_of(model)).path
    weights = Path(path).with_suffix('.bin')
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match=f'^exported file {path} cannot be run: Incorrect weights'):
        Classifier(path)
    weights.unlink()
    message = f'^exported file {path}: its weights file {weights} does not exist$'
    with pytest.raises(UserError, match=message):
        Classifier(path)
