"""Locks the requirements with hashes; `make lock` and `make setup` call this.

python tools/lock.py lock
    writes requirements.txt, requirements-cuda.txt with what only CUDA builds of torch need,
    requirements-docs.txt, requirements-uv.txt and requirements-bench.txt
python tools/lock.py cuda
    succeeds if the torch that is installed needs requirements-cuda.txt
"""
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from notebooks import BIN, ROOT

CUDA = re.compile(r'(nvidia|cuda|triton)\b')
HEADER = '# Written by `make lock` from {}; installed with --require-hashes.\n'


def compiled(name: str, *options) -> list:
    """The requirements of NAME.in, each with the lines of its hashes. Versions of NAME.txt are
    kept where they can be; delete a line there to renew it."""
    locked = ROOT/f'{name}.txt'
    before = locked.read_text(encoding='utf-8') if locked.exists() else ''
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)/'locked.txt'
        output.write_text('\n'.join(re.findall(r'^[\w.-]+==[\w.]+', before, re.MULTILINE)))
        command = [os.environ.get('UV', BIN/'uv'), 'pip', 'compile', f'{name}.in', *options,
                   '--python-version', '3.11', '--generate-hashes',
                   '--no-annotate', '--no-header', '--quiet', '-o', output]
        subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
        return re.split(r'\n(?=\S)', output.read_text(encoding='utf-8').strip())


def local_hashes(name: str, version: str) -> list:
    "Hashes of wheels of this version, with any local part, in the folder UV_FIND_LINKS."
    folder = Path(os.environ.get('UV_FIND_LINKS') or '/nowhere')
    found = []
    for wheel in sorted(folder.glob(f'{name}-{version}+*.whl')):
        with open(wheel, 'rb') as file:
            found.append(hashlib.file_digest(file, 'sha256').hexdigest())
    return found


def with_local_builds(block: str) -> str:
    "A locked requirement that accepts a local build of torch, as that without CUDA, too."
    name, version = re.match(r'([\w.-]+)==([\w.]+)', block).groups()
    if name != 'torch':
        return block
    hashes = [f'    --hash=sha256:{digest}' for digest in local_hashes(name, version)]
    return ' \\\n'.join([block, *[line for line in hashes if line.strip() not in block]])


def write(name: str, source: str, blocks: list):
    text = HEADER.format(source) + '\n'.join(blocks) + '\n'
    (ROOT/name).write_text(text, encoding='utf-8')
    print(f'{name}: {len(blocks)} packages')


def lock():
    "All files, the first of them first: the others keep to its versions."
    blocks = compiled('requirements', '--override', 'overrides.txt')
    plain = [with_local_builds(block) for block in blocks if not CUDA.match(block)]
    write('requirements.txt', 'requirements.in', plain)
    write('requirements-cuda.txt', 'requirements.in', [one for one in blocks if CUDA.match(one)])
    for name, option in (('requirements-docs', '-crequirements.txt'),
                         ('requirements-uv', '--no-deps'),
                         ('requirements-bench', '--no-deps')):
        write(f'{name}.txt', f'{name}.in', compiled(name, option))


def needs_cuda() -> bool:
    "Whether the installed torch asks for CUDA libraries on this machine."
    from packaging.requirements import Requirement
    wanted = [Requirement(text) for text in importlib.metadata.requires('torch') or ()]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({'extra': ''})]
    return any(CUDA.match(one.name) for one in wanted)


if __name__ == '__main__':
    if sys.argv[1:] == ['lock']:
        lock()
    elif sys.argv[1:] == ['cuda']:
        raise SystemExit(int(not needs_cuda()))
    else:
        raise SystemExit(__doc__)
