"""A folder that looks like a clone, in which the code blocks of a page run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import skimage
import torch
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from senet_mm.apis import get_config, get_model
from senet_mm.config.keys import check_keys
from senet_mm.converters import convert_back
from senet_mm.datasets.images.jpeg import encode_jpeg
from senet_mm.engine.weights.record import record_of, to_meta

from .blocks import commands_of, is_shown
from .conftest import ROOT
from .converters.caffe_definitions import plain_small_cnn
from .converters.test_caffe_form import write

# Commands that `run with` makes shorter.
LONG = re.compile(
    r'tools/(train\.py|ablate\.py|dist_train\.sh|dataset_tools/make_scenes\.py)'
    r'|senet_mm (dist )?train'
)


def save(name, path):
    """A checkpoint of random weights, with what a trained one carries."""
    model = get_model(name)
    if name.endswith('_in1k'):
        model.dataset_meta = dict(classes=[f'class {i}' for i in range(1000)])
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = to_meta(record_of(model)) | dict(cfg=model.cfg.pretty_text)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


def photograph(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(data.astronaut()[:256:2, :320:2], 90))


def digit(path):
    Image.fromarray(load_digits().images[0].astype('uint8') * 15).save(path)


def caffe_file(path):
    """The released network, by the way back."""
    name = 'seresnet50-caffe_8xb32_in1k'
    save(name, path.with_name('random.pth'))
    convert_back('caffe', path.with_name('random.pth'), path, name)


def caffe_pair(path):
    write(plain_small_cnn(), 32, 'score', path.parent)


def their_file(path):
    torch.save(get_model('seresnet50_8xb32_in1k').state_dict(), path)


def own_layer(path):
    text = 'from senet_mm.models import SELayer\nfrom senet_mm.registry import MODELS\n\n\n'
    text += '@MODELS.register_module()\nclass MyLayer(SELayer):\n    pass\n'
    (path.parent.parent / path.name).write_text(text)
    path.touch()


def train_digits(folder):
    command = [ROOT / 'tools/train.py', DIGITS, '--work-dir', folder]
    options = ['--cfg-options', 'train_cfg.max_epochs=3']
    subprocess.run([sys.executable, *command, *options], check=True, cwd=ROOT, capture_output=True)


DIGITS = 'configs/digits/seresnet8_1xb64_digits.py'
# What stands for the reader's own names in commands.
WORDS = {
    'CONFIG': 'seresnet18_8xb32_in1k',
    'CHECKPOINT': 'best.pth',
    'REPOSITORY': str(ROOT),
    'IMAGES...': 'photo.jpg',
    'DIR': 'data/pictures',
    '/data/imagenet': 'data/imagenet',
}
# A file that a page takes for granted -> what makes it.
MAKERS = {
    'work_dirs/seresnet8_1xb64_digits/epoch_30.pth': lambda path: save(DIGITS, path),
    'anywhere/my_layer.py': own_layer,
    'best.pth': lambda path: save('seresnet18_8xb32_in1k', path),
    'photo.jpg': photograph,
    'digit.png': digit,
    'a.jpg': photograph,
    'b.jpg': photograph,
    'pictures/': lambda path: photograph(path / 'c.jpg'),
    "'more/*.png'": lambda path: shutil.copy(
        Path(skimage.__file__).parent / 'data/coins.png', path
    ),
    'seresnet50.pth': their_file,
    'SE-ResNet-50.caffemodel': caffe_file,
    'net.prototxt': caffe_pair,
    'work_dirs/run/epoch_100.pth': lambda path: save('seresnet50_8xb32_in1k', path),
    'work_dirs/run/epoch_3.pth': lambda path: train_digits(path.parent),
    'work_dirs/seresnet8_1xb64_digits': train_digits,
    'data/pictures': lambda path: sample(path, '--untidy'),
    'data/imagenet': lambda path: sample(path, '--train', '1', '--val', '1'),
}


def sample(path, *options):
    tool = ROOT / 'tools/dataset_tools/make_sample.py'
    subprocess.run([sys.executable, tool, path, *options], check=True, capture_output=True)


class Sandbox:
    """A folder that looks like a clone, in which the blocks of a page run in order."""

    def __init__(self, folder, run_tool):
        self.folder, self.run_tool = folder, run_tool
        self.printed = ''
        self.imports = []
        for name in ('configs', 'tools', 'hubconf.py', '.dev_scripts', 'senet_mm'):
            (folder / name).symlink_to(ROOT / name)

    def run(self, block):
        is_told = block.kind == 'run' and block.value
        self.make_what_is_named(block.value if is_told else f'{block.text} {block.value}')
        if block.kind in ('config', 'printed by', 'printed above'):
            getattr(self, block.kind.replace(' ', '_'))(block)
            return
        if block.language == 'python':
            self.run_python(block)
            return
        self.printed = ''
        for command in commands_of(block.text):
            added = block.value if LONG.search(command) else ''
            self.shell(f'{command} {added}', block)

    def make_what_is_named(self, text):
        for name, make in MAKERS.items():
            path = self.folder / name.strip("'").replace('*', 'coins')
            named = re.search(rf'(?<![\w./-]){re.escape(name)}(?![\w/-])', replaced(text))
            if named and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                make(path)

    def shell(self, command, block, expected=0):
        command = replaced(command)
        match = re.match(r'python (tools/\S+\.py )', command)
        if match and not re.search(r'[|<>*?;$]', command):
            run = self.run_tool(*shlex.split(command)[1:], cwd=self.folder)
        else:
            run = self.run_tool('bash', '-euc', command, cwd=self.folder, PYTHONPATH=str(ROOT))
        assert run.returncode == expected, f'{block}: {command}\n{run.stdout[-3000:]}{run.stderr}'
        self.printed += run.stdout + run.stderr

    def run_python(self, block):
        """As a script, with the imports of the blocks before it."""
        script = self.folder / f'block_{block.line}.py'
        script.write_text(''.join(self.imports) + replaced(block.text))
        run = self.run_tool(script.name, cwd=self.folder)
        assert run.returncode == 0, f'{block}: {run.stderr}'
        self.printed = run.stdout
        self.imports += re.findall(r'^(?:import|from) .*\n', block.text, re.M)

    def config(self, block):
        """Is read, and each key of it known; part of a config is put on top of a recipe."""
        base = f'_base_ = {block.value!r}\n' if block.value else ''
        text = re.sub(r'\[\.\.\.\]', '[1.0, 1.0, 1.0]', block.text).replace(
            "'../", f"'{ROOT}/configs/"
        )
        file = self.folder / f'config_{block.line}.py'
        file.write_text(base + text)
        check_keys(get_config(file))

    def printed_by(self, block):
        self.printed = ''
        command = block.value
        status = 1 if block.text.startswith('error:') else 0
        self.shell(command, block, status)
        self.printed_above(block)

    def printed_above(self, block):
        assert is_shown(block.text, self.printed), f'{block}: {self.printed}'


def replaced(text):
    for word, meant in WORDS.items():
        text = re.sub(rf'(?<![\w/-]){re.escape(word)}(?![\w-])', meant, text)
    return text
