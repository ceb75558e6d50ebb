"""Programs of ``torch.export`` in files of strangers: refused unless they are data.

``torch.export.load`` unpickles what a file asks it to, loads compiled libraries, and compiles texts
of the graph as Python. What ``deploy`` writes needs none of that.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator

import torch
from torch import nn

from senet_mm.engine.weights.archive import open_archive
from senet_mm.engine.weights.safe_load import check_archive
from senet_mm.utils.errors import InputError

# Names of records without the folder that comes first.
RECORDS = re.compile(
    r'models/model\.json|data/(weights/(weight_\d+|model_weights_config\.json)'
    r'|constants/(tensor_\d+|model_constants_config\.json)|sample_inputs/model\.pt)'
    r'|extra/[\w.-]+|archive_format|archive_version|byteorder|\.data/\w+'
)
CONFIGS = re.compile(r'model_\w+_config\.json$')
NAME, DOTTED = r'\w+', r'[\w.]*'
# Texts of a graph by their key; of all other keys there is none.
TEXTS = {
    'as_name': NAME, 'as_string': r'[\w,.-]*', 'buffer_name': DOTTED, 'context': r'null|\[\]',
    'expr_str': r"-?\d+|Symbol\('[su]\d+'(, \w+=(True|False))*\)", 'forward_arg_names': NAME,
    'fqn': DOTTED, 'name': NAME, 'parameter_name': DOTTED,
    'target': r'torch\.ops\.aten\.[\w.]+|_operator\.\w+', 'tensor_constant_name': DOTTED,
    'type': r'cpu|cuda|builtins\.\w+', 'user_input_name': NAME,
}  # fmt: skip
SPECS = ('in_spec', 'out_spec')
NOTES = ('nn_module_stack', 'stack_trace', 'torch_fn')


def load_program(path: str | os.PathLike) -> nn.Module:
    """The network of a file that ``torch.export.save`` wrote: images (N, C, H, W) to logits.

    Raises:
        InputError: The file holds more than data, or is damaged.
    """
    try:
        with open(path, 'rb') as file, open_archive(file) as archive:
            _check(archive)
        return torch.export.load(path).module()
    except Exception as error:  # whatever torch raises for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f'exported file {path} is refused: {reason}; allowed: what tools/deploy.py writes'
        ) from error


def _check(archive: zipfile.ZipFile) -> None:
    """Raise a ValueError for what is executed, or damaged."""
    if name := archive.testzip():
        raise ValueError(f'record {name} is damaged, its CRC-32 differs')
    for record in archive.namelist():
        name = record.partition('/')[2]
        if not RECORDS.fullmatch(name):
            raise ValueError(f'it has a record {record!r}')
        if name == 'data/sample_inputs/model.pt':
            # torch unpickles it without limits where it cannot read it as data.
            check_archive(io.BytesIO(archive.read(record)))
        elif CONFIGS.search(name):
            _check_tensors(json.loads(archive.read(record)))
        elif name == 'models/model.json':
            program = json.loads(archive.read(record))
            if program.get('guards_code'):
                raise ValueError('it has the code of guards')
            _check_texts(program['graph_module'])


def _check_tensors(config: dict) -> None:
    for name, tensor in config['config'].items():
        if tensor['use_pickle'] or not re.fullmatch(r'(weight|tensor)_\d+', tensor['path_name']):
            raise ValueError(f'{name!r} is a pickle')


def _check_texts(graph: object) -> None:
    for key, text in _find_texts(graph, ''):
        if key in SPECS:
            specs = json.loads(text)
            _check_texts(specs[1:] if isinstance(specs, list) else specs)
        elif not re.fullmatch(TEXTS.get(key, '(?!)'), text):
            raise ValueError(f'its graph has {key}={text!r:.80}')


def _find_texts(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Texts below a value with their keys; names of a dict are those of tensors or of symbols."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for item in value:
            yield from _find_texts(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not re.fullmatch(NAME, name):
                raise ValueError(f'its graph has the name {name!r:.80}')
            if key == 'metadata' and name in NOTES:
                continue
            yield from _find_texts(item, name)
