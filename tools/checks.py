"What is checked beside the notebooks' own tests. Each check prints its complaints."
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from notebooks import BIN, NBS, ROOT, code_cells, name_of, notebook_paths
from readme import MAX_LINES, README, broken_links, python_examples, readme

IGNORED = {'__pycache__', '.ipynb_checkpoints'}


def run_quietly(*command, cwd) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], cwd=cwd, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def snapshot(folder: Path) -> dict:
    "The contents of every file below a folder."
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob('*') if path.is_file() and not IGNORED & set(path.parts)}


def differing(before: Path, after: Path) -> list:
    "Names of the files that two folders do not share."
    old, new = snapshot(before), snapshot(after)
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def remove_exported(package: Path):
    "Delete what an export writes: all modules, and the `__init__.py` that are empty."
    for path in package.rglob('*.py'):
        if path.name != '__init__.py' or not path.read_text(encoding='utf-8').strip():
            path.unlink()


def export_complaints() -> list:
    "Files that nbdev_export or nbdev_clean would change. Tried on a copy."
    found = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ('nbs', 'sib_nb'):
            shutil.copytree(ROOT/name, copy/name, ignore=shutil.ignore_patterns(*IGNORED))
        for name in ('settings.ini', 'setup.py', 'README.md'):
            shutil.copy(ROOT/name, copy/name)
        remove_exported(copy/'sib_nb')
        done = run_quietly(BIN/'nbdev_export', cwd=copy)
        if done.returncode:
            found.append('nbdev_export fails: ' + done.stdout.strip().splitlines()[-1])
        found += [f'sib_nb/{name}: run nbdev_export'
                  for name in differing(ROOT/'sib_nb', copy/'sib_nb')]
        run_quietly(BIN/'nbdev_clean', cwd=copy)
        found += [f'nbs/{name}: run nbdev_clean' for name in differing(NBS, copy/'nbs')]
    return found


def readme_complaints() -> list:
    "README.md out of step with its notebook, too long, or with links to nowhere."
    text = README.read_text(encoding='utf-8') if README.exists() else ''
    n_lines = len(text.splitlines())
    found = []
    if text != readme():
        found.append('README.md: run make readme')
    if n_lines > MAX_LINES:
        found.append(f'README.md: {n_lines} lines, at most {MAX_LINES}')
    found += [f'README.md: links to {target}, which is not there' for target in broken_links(text)]
    return found


def shown_texts(outputs) -> str:
    "What the outputs of a cell show as text."
    shown = []
    for output in outputs:
        parts = dict(output.get('data', {}), text=output.get('text', ''))
        shown += [''.join(part) for kind, part in parts.items() if kind.startswith('text')]
    return '\n'.join(shown)


def output_complaints(path: Path) -> list:
    "Notebooks are committed executed, without errors, and without paths of this machine."
    outputs = [cell['outputs'] for cell in code_cells(path)]
    kinds = [output.get('output_type') for shown in outputs for output in shown]
    found = []
    if 'error' in kinds:
        found.append(f'nbs/{name_of(path)}: holds an error output')
    if outputs and not kinds:
        found.append(f'nbs/{name_of(path)}: has no outputs; run it and save it')
    texts = '\n'.join(map(shown_texts, outputs))
    for folder in sorted({'/tmp', tempfile.gettempdir(), str(ROOT)}):
        if f'{folder}/' in texts:
            found.append(f'nbs/{name_of(path)}: an output names a file in {folder}')
    return found


def check_sync() -> bool:
    "Whether modules, notebooks and README.md are what the notebooks say they should be."
    found = export_complaints() + readme_complaints()
    for path in notebook_paths():
        found += output_complaints(path)
    print('\n'.join(found) or 'in sync')
    return not found


def check_site() -> bool:
    "Whether the pages of the site can be written, and lead somewhere (`make docs` renders them)."
    done = run_quietly(sys.executable, ROOT/'tools'/'docs', 'pages', cwd=ROOT)
    print(done.stdout)
    return done.returncode == 0


def check_readme_example() -> bool:
    "Whether the README's Python examples run, each in a fresh process and an empty folder."
    examples = python_examples(README.read_text(encoding='utf-8'))
    if not examples:
        print('README.md: has no ```python block')
    passed = bool(examples)
    for source in examples:
        with tempfile.TemporaryDirectory() as folder:
            done = run_quietly(sys.executable, '-c', source, cwd=folder)
        print(source, done.stdout, sep=os.linesep)
        passed = passed and done.returncode == 0
    return passed
