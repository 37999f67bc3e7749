"Everything about the package is said in settings.ini; this reads it."
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages

here = Path(__file__).parent
ini = ConfigParser(delimiters=['=']); ini.read(here/'settings.ini', encoding='utf-8')
cfg = ini['DEFAULT']
readme = here/'README.md'

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], license='Apache-2.0',
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], keywords=cfg['keywords'],
    packages=find_packages(include=['sib_nb', 'sib_nb.*']), include_package_data=True,
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg['requirements'].split(),
    extras_require=dict(dev=cfg['dev_requirements'].split()),
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else cfg['description'],
    long_description_content_type='text/markdown',
    entry_points=dict(console_scripts=[s.strip() for s in cfg['console_scripts'].splitlines() if s.strip()],
                      nbdev=[f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"]),
    zip_safe=False)
