"""Ship configs and tools with the package, where ``mim`` looks for them: ``senet_mm/.mim``."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ('configs', 'tools', 'model-index.yml')


class BuildPy(build_py):
    """Copies what is beside the package into the one that is built; an editable one needs none."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib, 'senet_mm/.mim', name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
                shutil.copytree(name, target, ignore=ignore, dirs_exist_ok=True)
            else:
                shutil.copy(name, target)


setup(cmdclass=dict(build_py=BuildPy))
