"Where the notebooks are, and what their cells say about themselves."
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
BIN = Path(sys.executable).parent
CACHE = ROOT/'data'/'cache'  # not in git


def name_of(path: Path) -> str:
    "A notebook's path within `nbs/`, as in `03_sae/01_sae.ipynb`."
    return path.relative_to(NBS).as_posix()


def notebook_paths(names=()) -> list:
    "All notebooks in reading order, or those with one of `names` in their path within `nbs/`."
    found = []
    for path in NBS.rglob('*.ipynb'):
        parts = path.relative_to(NBS).parts
        is_hidden = any(part.startswith(('.', '_')) for part in parts)  # for nbdev, too
        is_wanted = not names or any(name in name_of(path) for name in names)
        if is_wanted and not is_hidden:
            found.append(path)
    return sorted(found)


def read_cells(path: Path) -> list:
    "The cells of a notebook, each with its source as one string."
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    for cell in cells:
        cell['source'] = ''.join(cell['source'])
    return cells


def code_cells(path: Path) -> list:
    "The code cells that are not empty."
    return [cell for cell in read_cells(path)
            if cell['cell_type'] == 'code' and cell['source'].strip()]


def has_directive(source: str, *names) -> bool:
    "Whether a cell begins with one of these directives, as in `#| slow`."
    lines = source.splitlines()
    pattern = re.compile(rf"#\|\s*({'|'.join(names)})(?![\w-])")
    for line in lines:
        if not line.startswith('#|'):
            return False
        if pattern.match(line):
            return True
    return False
