"""The import rules of the package, read from the source: nothing is imported.

1. A chapter imports itself and those before it in `CHAPTERS`.
2. No `_name` is used outside the module that defines it, in modules and in notebooks.
3. No public name is exported by two modules.
4. Results and tutorials export nothing.
5. No module or notebook gives a name a text of `MIN_TEXT` characters that another module has.
"""
import ast
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from notebooks import ROOT, code_cells, has_directive, notebook_paths

PACKAGE = 'sib_nb'
CHAPTERS = ('docstrings', 'core', 'validation', 'integrity', 'language_model', 'information', 'sae',
            'training', 'unlearning', 'experiments', 'figures', 'commands')
WITHOUT_EXPORT = ('08_results', 'tutorials')
MIN_TEXT = 40
NAMEDTUPLE = ('_asdict', '_fields', '_make', '_replace')  # public, whatever their names say


@dataclass(frozen=True)
class Source:
    "A module, or a code cell of a notebook."
    place: str    # the file, and the cell
    parts: tuple  # `('sae', 'groups')`: it is, or exports to, the module sib_nb.sae.groups
    tree: ast.Module

    def at(self, node) -> str:
        return f'{self.place}:{node.lineno}'


def read_modules(root: Path) -> list:
    "The modules of the package below `root`, without those that nbdev keeps for itself."
    modules = []
    for path in sorted((root/PACKAGE).rglob('*.py')):
        if path.name not in ('__init__.py', '_modidx.py'):
            parts = path.relative_to(root/PACKAGE).with_suffix('').parts
            tree = ast.parse(path.read_text(encoding='utf-8'))
            modules.append(Source(path.relative_to(root).as_posix(), parts, tree))
    return modules


def exported_module(path: Path) -> tuple:
    "The module that a notebook exports to, as a tuple; empty if there is none."
    for cell in code_cells(path):
        directive = re.match(r'#\|\s*default_exp\s+([\w.]+)', cell['source'])
        if directive:
            return tuple(directive[1].split('.'))
    return ()


def read_notebooks() -> list:
    "The code cells that are plain Python."
    cells = []
    for path in notebook_paths():
        parts = exported_module(path)
        for number, cell in enumerate(code_cells(path), 1):
            try:
                tree = ast.parse(cell['source'])
            except SyntaxError:
                continue
            place = f'{path.relative_to(ROOT).as_posix()} code cell {number}'
            cells.append(Source(place, parts, tree))
    return cells


def own_imports(source: Source) -> list:
    "`(node, module, name, alias)` of everything imported from the package; `module` as a tuple."
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                first, *rest = one.name.split('.')
                if first == PACKAGE:
                    found.append((node, tuple(rest), '', one.asname or one.name))
        if isinstance(node, ast.ImportFrom):
            module = tuple((node.module or '').split('.')) if node.module else ()
            if node.level:
                module = source.parts[:-node.level] + module
            elif module[:1] == (PACKAGE,):
                module = module[1:]
            else:
                continue
            found += [(node, module, one.name, one.asname or one.name) for one in node.names]
    return found


def is_private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__') and name not in NAMEDTUPLE


def package_uses(source: Source, alias: str) -> list:
    "Names of the package as a whole that a module uses, except the likes of `__version__`."
    return [f'{source.at(node)}: uses {alias}.{node.attr} from no chapter'
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == alias
            and not node.attr.startswith('__')]


def order_violations(source: Source) -> list:
    "Imports of later chapters, and of the package as a whole."
    chapter = source.parts[0]
    if chapter not in CHAPTERS:
        return [f'{source.place}:1: belongs to no chapter']
    found = []
    for node, module, name, alias in own_imports(source):
        target = (*module, name)[0]
        if not target:
            found += package_uses(source, alias)
        elif target not in CHAPTERS:
            found.append(f'{source.at(node)}: imports {name} from no chapter')
        elif CHAPTERS.index(target) > CHAPTERS.index(chapter):
            found.append(f'{source.at(node)}: {chapter} imports the later {target}')
    return found


def private_violations(source: Source) -> list:
    "Private names imported from other modules, or used as `module._name`."
    found = []
    imported = set()
    for node, module, name, alias in own_imports(source):
        imported.add(alias)
        is_own = module == source.parts
        if any(is_private(part) for part in (*module, name)) and not is_own:
            found.append(f'{source.at(node)}: imports {".".join((*module, name))}')
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner in imported:
                found.append(f'{source.at(node)}: uses {owner}.{node.attr}')
    return found


def exported_names(source: Source) -> list:
    "`(node, name)` of what `__all__` lists."
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return [(node, name) for name in ast.literal_eval(node.value)]
    return []


def export_violations(modules) -> list:
    "Public names that two modules export."
    first_place, found = {}, []
    for source in modules:
        for node, name in exported_names(source):
            if name in first_place:
                found.append(f'{source.at(node)}: exports {name}, as does {first_place[name]}')
            first_place.setdefault(name, source.place)
    return found


def named_texts(source: Source) -> list:
    "`(node, text)` of the long texts that are given to names."
    found = []
    for node in ast.walk(source.tree):
        value = getattr(node, 'value', None) if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found += [(node, value.value)] if len(value.value) >= MIN_TEXT else []
    return found


def repeated_texts(modules, cells) -> list:
    "Long texts that a module has and others write again; they should import them."
    first, found = {}, []
    for source in modules:
        for _, text in named_texts(source):
            first.setdefault(text, source)
    for source in (*modules, *cells):
        for node, text in named_texts(source):
            known = first.get(text, source)
            if known.parts != source.parts:
                found.append(f'{source.at(node)}: repeats the text {text[:30]!r} of {known.place}')
    return found


def exporting_results() -> list:
    "Cells of results and tutorials that say they export something."
    found = []
    for path in notebook_paths():
        if path.parent.name in WITHOUT_EXPORT:
            for number, cell in enumerate(code_cells(path), 1):
                if has_directive(cell['source'], 'export', 'exports', 'exporti', 'default_exp'):
                    place = path.relative_to(ROOT).as_posix()
                    found.append(f'{place} code cell {number}:1: exports, in {path.parent.name}')
    return found


def violations(modules, cells=()) -> list:
    found = export_violations(modules) + repeated_texts(modules, cells)
    for source in modules:
        found += order_violations(source) + private_violations(source)
    for source in cells:
        found += private_violations(source)
    return found


PLANTED = {  # a package with every kind of violation, and the places where they must be found
    'core.py': ("__all__ = ['save']\ndef save(): pass\ndef _hidden(): pass\n"
                f"TEXT = {'x' * MIN_TEXT!r}"),
    'sae/sae.py': ("__all__ = ['SAE', 'save']\n"
                   "from ..core import save, _hidden\n"
                   "from ..training import trainer\n"
                   "from . import groups\n"
                   "groups._split(groups.__name__)\n"
                   "def late():\n    import sib_nb.unlearning.saebench as score\n"
                   "    score.self._fine\n"
                   "from sib_nb import SAE\n"
                   "import sib_nb\n"
                   "print(sib_nb.__version__, sib_nb.SAE)"),
    'sae/groups.py': "from ..core import save\nclass Groups:\n    def split(self): self._fine = 1",
    'training/trainer.py': "from ..sae.sae import SAE\nfrom ..information import _secret",
    'unlearning/saebench.py': "import sib_nb.sae.sae\nsib_nb.sae.sae._cache",
    'sae/text.py': f"SHORT = {'y' * 9!r}\ndef say():\n    words = {'x' * MIN_TEXT!r}",
    'training/text.py': f"SHORT = {'y' * 9!r}",
    'flat.py': "import torch._dynamo"}
FOUND = {'core.py': [], 'sae/sae.py': [1, 2, 3, 5, 7, 9, 11], 'sae/groups.py': [],
         'training/trainer.py': [2], 'unlearning/saebench.py': [2], 'flat.py': [1],
         'sae/text.py': [3], 'training/text.py': []}


def check_planted() -> bool:
    "Whether exactly the planted violations are found, each at its line."
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in PLANTED.items():
            path = root/PACKAGE/name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
        places = {violation.split(': ')[0] for violation in violations(read_modules(root))}
    expected = {f'{PACKAGE}/{name}:{line}' for name, lines in FOUND.items() for line in lines}
    if places != expected:
        print('planted violations found at', *sorted(places), 'instead of', *sorted(expected))
    return places == expected


def check_architecture() -> bool:
    "Print every violation with its file and line; whether there is none."
    found = violations(read_modules(ROOT), read_notebooks()) + exporting_results()
    print('\n'.join(found) or 'no violation')
    return check_planted() and not found


if __name__ == '__main__':
    raise SystemExit(int(not check_architecture()))
