"""Everything about the package is said in settings.ini; this reads it.

A wheel carries the embedded benchmark and models of `wheel_data` as `sib_nb/data`.
"""

import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here / 'settings.ini', encoding='utf-8')
settings = config['DEFAULT']
readme = here / 'README.md'
description = settings['description']
scripts = [line.strip() for line in settings['console_scripts'].splitlines() if line.strip()]


def extras() -> dict:
    "The optional requirements by name, and `full` with those of users."
    found = {}
    for name in ('sae-bench', 'sae-lens', 'docs', 'dev'):
        found[name] = settings[name.replace('-', '_') + '_requirements'].split()
    return dict(found, full=found['sae-bench'] + found['sae-lens'])


class BuildWithData(build_py):
    "Copies `wheel_data` into the package, and nothing from an earlier build."

    def run(self):
        if self.editable_mode:  # the repository's own data is used
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for name in settings['wheel_data'].split():
            source = here / 'data' / name
            target = Path(self.build_lib) / settings['lib_name'] / 'data' / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns('.*'))
            else:
                shutil.copyfile(source, target)


setup(
    name=settings['lib_name'],
    version=settings['version'],
    description=description,
    license='Apache-2.0',
    author=settings['author'],
    author_email=settings['author_email'],
    url=settings['git_url'],
    keywords=settings['keywords'],
    classifiers=[
        f'Programming Language :: Python :: {version}' for version in settings['pythons'].split()
    ],
    packages=find_packages(include=['sib_nb', 'sib_nb.*']),
    cmdclass={'build_py': BuildWithData},
    python_requires=f'>={settings["min_python"]}',
    install_requires=settings['requirements'].split(),
    extras_require=extras(),
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else description,
    long_description_content_type='text/markdown',
    entry_points={
        'console_scripts': scripts,
        'nbdev': [f'{settings["lib_name"]}={settings["lib_name"]}._modidx:d'],
    },
    zip_safe=False,
)
