"""The tools by their names, from any folder: ``python -m senet_mm train CONFIG ...``."""

import runpy
import sys
from pathlib import Path

from senet_mm.utils.options import check_option
from senet_mm.utils.project import PROJECT


def find_tools() -> dict[str, Path]:
    """The tools by name: ``train``, ``test``, ``convert``, ``publish_model``, ..."""
    folders = ('', 'analysis_tools', 'dataset_tools', 'model_converters', 'visualization')
    return {
        path.stem: path
        for folder in folders
        for path in sorted((PROJECT / 'tools' / folder).glob('*.py'))
    }


def main() -> None:
    """Run a tool as if it were called by its path."""
    tools = find_tools()
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        print(f'usage: python -m senet_mm TOOL ...\n\nTOOL: {", ".join(tools)}')
        return
    name = sys.argv[1]
    try:
        check_option('tool', name, tools)
    except ValueError as error:
        sys.exit(f'error: {error}')
    sys.argv = [str(tools[name]), *sys.argv[2:]]
    runpy.run_path(str(tools[name]), run_name='__main__')


if __name__ == '__main__':
    main()
