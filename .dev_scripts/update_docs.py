#!/usr/bin/env python
"""Make the tables of results, the metafiles and the heads of configs from configs/results.yml.

python .dev_scripts/update_docs.py          # write them
python .dev_scripts/update_docs.py --check  # fail if one is out of date
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser

if TYPE_CHECKING:
    from senet_mm.study.results import Result

ROOT = Path(__file__).parents[1]

HE = {
    'URL': 'https://arxiv.org/abs/1512.03385',
    'Title': 'Deep Residual Learning for Image Recognition',
}
SZEGEDY = {
    'URL': 'https://arxiv.org/abs/1602.07261',
    'Title': 'Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning',
}
HOWARD = {
    'URL': 'https://arxiv.org/abs/1704.04861',
    'Title': 'MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications',
}
HU = {'URL': 'https://arxiv.org/abs/1709.01507', 'Title': 'Squeeze-and-Excitation Networks'}

SIMONYAN = {
    'URL': 'https://arxiv.org/abs/1409.1556',
    'Title': 'Very Deep Convolutional Networks for Large-Scale Image Recognition',
}
HUANG = {
    'URL': 'https://arxiv.org/abs/1608.06993',
    'Title': 'Densely Connected Convolutional Networks',
}
ZHANG = {
    'URL': 'https://arxiv.org/abs/1707.01083',
    'Title': 'ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices',
}

# Folder under configs/ -> its collection in the model index and the paper.
COLLECTIONS = {
    'ablations': ('Ablations of SE-ResNet-50', HU),
    'cifar': ('Networks for CIFAR', HE),
    'densenet': ('DenseNet and SE-DenseNet', HUANG),
    'digits': ('Networks for digits', HE),
    'finetune': ('Networks for a folder of pictures', HU),
    'inception': ('Inception-v3, Inception-v4 and Inception-ResNet-v2', SZEGEDY),
    'mobilenet': ('MobileNet and SE-MobileNet', HOWARD),
    'places365': ('ResNet-152 and SE-ResNet-152 for Places365', HU),
    'resnet': ('ResNet and ResNeXt, plain', HE),
    'se-bn-inception': ('BN-Inception and SE-BN-Inception', HU),
    'scenes': ('Networks for crops of photographs', HU),
    'senet': ('SENet', HU),
    'seresnet': ('SE-ResNet and SE-ResNeXt', HU),
    'shufflenet': ('ShuffleNet and SE-ShuffleNet', ZHANG),
    'vgg': ('VGG and SE-VGG', SIMONYAN),
}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing, fail on a difference')
    return parser.parse_args()


def anchor(name: str, table: dict) -> str:
    """The anchor that GitHub gives to the heading of a table."""
    heading = f'{name}: {table["title"]}'.lower().replace(' ', '-')
    return re.sub(r'[^\w-]', '', heading)


def folder_of(result: 'Result') -> str:
    """Folder under configs/ of a row's config, or of its detector's."""
    from senet_mm.config.names import find_config

    return Path(find_config(result.config or result.detector)).parent.name


def folders(results: list['Result']) -> str:
    """Links to the folders of the configs of some rows."""
    names = dict.fromkeys(
        folder_of(result) for result in results if result.config or result.detector
    )
    return ', '.join(f'[{name}](../configs/{name}/)' for name in names) or '-'


def results_page(tables: dict, results: dict[str, list['Result']]) -> str:
    """docs/results.md."""
    from senet_mm.study.results import results_to_markdown
    from senet_mm.utils.tables import markdown_table

    parts = [
        '# Results\n\n'
        '`python .dev_scripts/update_docs.py` makes this page from `configs/results.yml`. '
        'Published scores are\nnot measured here; `python tools/reproduce.py TABLE --data-root '
        'data/imagenet --checkpoints DIR`\nmeasures a table. Parameters are those of the whole '
        'classifier. GFLOPs are multiply-adds of\nconvolutions and fully connected layers for one '
        'image. Figures in brackets are printed in the\npublication; ours agree within 0.1 M and '
        '1 %, except in rows with a note.\n\n',
        markdown_table(
            ['table', 'configs', 'recipe'],
            (
                [
                    f'[{table["title"]}](#{anchor(name, table)})',
                    folders(results[name]),
                    table['recipe'],
                ]
                for name, table in tables.items()
            ),
        ),
    ]
    for name, table in tables.items():
        text = results_to_markdown(results[name], root='../')
        parts.append(f'\n## `{name}`: {table["title"]}\n\nSource: {table["source"]}.\n\n{text}')
    return ''.join(parts)


def family_page(folder: str, rows: list['Result']) -> str:
    """configs/FOLDER/README.md."""
    from senet_mm.study.results import results_to_markdown

    name, paper = COLLECTIONS[folder]
    parts = [
        f'# {name}\n\n[{paper["Title"]}]({paper["URL"]})\n\n'
        'Published scores, not measured here; see [docs/results.md](../../docs/results.md). '
        'Made by `.dev_scripts/update_docs.py`.\n'
    ]
    for metric in dict.fromkeys(result.metric for result in rows):
        if results := [result for result in rows if result.metric == metric]:
            parts.append(
                '\n' + results_to_markdown(results, root='../../', measured=False, config=True)
            )
    return ''.join([*parts, *pictures(folder)])


def pictures(folder: str) -> list[str]:
    """The pictures of docs/networks that are of configs in a folder."""
    from senet_mm.config.names import find_config

    names = [path.stem for path in sorted((ROOT / 'docs/networks').glob('*.svg'))]
    return [
        f'\n![Structure of {name}](../../docs/networks/{name}.svg)\n'
        for name in names
        if Path(find_config(name)).parent.name == folder
    ]


def metafile(folder: str, results: list['Result']) -> str:
    """configs/FOLDER/metafile.yml, in the form of model-index."""
    import yaml

    collection, paper = COLLECTIONS[folder]
    models = []
    for result in sorted(results, key=lambda result: result.config):
        model = {
            'Name': result.config,
            'In Collection': collection,
            'Metadata': {'FLOPs': result.macs, 'Parameters': result.params},
            'Config': f'configs/{folder}/{result.config}.py',
        }
        accuracies = {
            f'Top {key[3:]} Accuracy': round(100 - score if result.metric == 'error' else score, 2)
            for key in ('top1', 'top5')
            if (score := getattr(result, key)) is not None
        }
        if accuracies:
            model['Results'] = [
                {
                    'Dataset': result.dataset,
                    'Task': 'Image Classification',
                    'Metrics': accuracies,
                }
            ]
        models.append(model)
    index = {
        'Collections': [{'Name': collection, 'Paper': paper, 'README': 'README.md'}],
        'Models': models,
    }
    note = (
        '# Made by .dev_scripts/update_docs.py; accuracies are published; '
        'no weights are released.\n'
    )
    return note + yaml.safe_dump(index, sort_keys=False)


def configs() -> dict[Path, str]:
    """Every config, with the score that the results have."""
    from senet_mm.config.names import find_config
    from senet_mm.study.heads import score_lines, with_score_line

    files = {}
    for name, line in score_lines().items():
        path = Path(find_config(name))
        files[path] = with_score_line(path.read_text(), line, path.name)
    return files


def make_files() -> dict[Path, str]:
    """Every made file and its text."""
    from senet_mm.study.results import MEASURED, get_results, load_tables, results_to_markdown
    from senet_mm.utils.tables import fill_in

    tables = load_tables()
    results = {name: get_results(name) for name in tables}
    readme = ROOT / 'README.md'
    table = results_to_markdown(results['released'], measured=False)
    files = {
        readme: fill_in(readme.read_text(), 'released', table),
        ROOT / 'docs/results.md': results_page(tables, results),
        **configs(),
    }
    # A config of several tables has the scores of the first one that is of classification.
    first: dict[str, Result] = {}
    for result in (result for rows in results.values() for result in rows if result.config):
        if result.metric in MEASURED:
            first.setdefault(result.config, result)
    families: dict[str, list] = {}
    for result in first.values():
        families.setdefault(folder_of(result), []).append(result)
    for folder, rows in sorted(families.items()):
        files[ROOT / f'configs/{folder}/README.md'] = family_page(folder, rows)
        files[ROOT / f'configs/{folder}/metafile.yml'] = metafile(folder, rows)
    imports = ''.join(f'  - configs/{folder}/metafile.yml\n' for folder in sorted(families))
    files[ROOT / 'model-index.yml'] = f'Import:\n{imports}'
    return files


def main(args: argparse.Namespace) -> None:
    for path, text in make_files().items():
        if args.check:
            if not path.exists() or path.read_text() != text:
                name = path.relative_to(ROOT)
                raise ValueError(f'{name} is out of date; run python .dev_scripts/update_docs.py')
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
