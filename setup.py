"Everything about the package is said in settings.ini; this reads it."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here / 'settings.ini', encoding='utf-8')
settings = config['DEFAULT']
readme = here / 'README.md'
description = settings['description']
scripts = [line.strip() for line in settings['console_scripts'].splitlines() if line.strip()]

setup(
    name=settings['lib_name'],
    version=settings['version'],
    description=description,
    license='Apache-2.0',
    author=settings['author'],
    author_email=settings['author_email'],
    url=settings['git_url'],
    keywords=settings['keywords'],
    packages=find_packages(include=['sib_nb', 'sib_nb.*']),
    include_package_data=True,
    python_requires=f'>={settings["min_python"]}',
    install_requires=settings['requirements'].split(),
    extras_require={'dev': settings['dev_requirements'].split()},
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else description,
    long_description_content_type='text/markdown',
    entry_points={
        'console_scripts': scripts,
        'nbdev': [f'{settings["lib_name"]}={settings["lib_name"]}._modidx:d'],
    },
    zip_safe=False,
)
