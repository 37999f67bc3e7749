"""What an installed package needs.

python tools/installed.py check
    the data of a wheel is there and in MANIFEST.in; no module needs an extra when it is imported
python tools/installed.py wheel [PYTHON]
    builds a wheel, installs it alone in a fresh environment of PYTHON (default: this one) and
    uses it in another folder: the README's example, the SAEs of the package, the explorer, two
    tutorials, a short run and its figures (some minutes)
"""
import ast
import os
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

from notebooks import NBS, ROOT, code_cells, has_directive
from readme import README, python_examples

EXTRAS = ('sae_bench', 'sae_lens', 'transformer_lens', 'sae_probes')
TUTORIALS = ('01_quickstart', '02_your_own_model_and_data')
WITH_SAES = """from sib_nb import SAE
from sib_nb.figures.explorer import explore
from sib_nb.figures.run_inspection import open_run, runs_with_sae
from sib_nb.sae.sae import shipped_saes

for name in shipped_saes():
    print(name, SAE.from_pretrained(name))
for result in runs_with_sae()[1].values():
    print(open_run(result['run'], result['seed']).title)
print(len(explore(live=False).data), 'characters in the static explorer')
print(type(explore(live=True)).__name__, 'with the controls of the explorer')
"""


def settings() -> dict:
    config = ConfigParser(delimiters=['='])
    config.read(ROOT/'settings.ini', encoding='utf-8')
    return dict(config['DEFAULT'])


def data_complaints() -> list:
    "Names of `wheel_data` that are not there, or not in MANIFEST.in."
    manifest = (ROOT/'MANIFEST.in').read_text(encoding='utf-8').split()
    found = []
    for name in settings()['wheel_data'].split():
        if not (ROOT/'data'/name).exists():
            found.append(f'settings.ini: wheel_data names data/{name}, which is not there')
        if f'data/{name}' not in manifest:
            found.append(f'MANIFEST.in: data/{name} is missing')
    return found


def imported_early(tree: ast.Module):
    "`(line, module)` of imports that run when the module is imported."
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def import_complaints() -> list:
    "Modules that import a package of an extra outside functions."
    found = []
    for path in sorted((ROOT/'sib_nb').rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for line, module in imported_early(tree):
            if module.split('.')[0] in EXTRAS:
                name = path.relative_to(ROOT).as_posix()
                found.append(f'{name}:{line}: imports {module}; use core.import_extra in a function')
    return found


def check_installed() -> bool:
    "Print every complaint; whether there is none."
    found = data_complaints() + import_complaints()
    print('\n'.join(found) or 'a wheel would be complete')
    return not found


def call(*command, cwd, **variables):
    "Run a command; its output is shown, and a failure ends the program."
    print('$', *command, flush=True)
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('SIB_HOME', 'PYTHONPATH', 'VIRTUAL_ENV')}
    subprocess.run([str(word) for word in command], cwd=cwd, check=True,
                   env=environment | variables)


def package_files(python: Path) -> set:
    "The files of the installed package, without compiled ones."
    code = 'import importlib.util as u; print(u.find_spec("sib_nb").submodule_search_locations[0])'
    shown = subprocess.run([python, '-c', code], capture_output=True, text=True, check=True)
    files = Path(shown.stdout.strip()).rglob('*')
    return {path for path in files if path.is_file() and '__pycache__' not in path.parts}


def tutorial_script(name: str) -> str:
    "The cells of a tutorial that its tests run, as a program."
    cells = [cell['source'] for cell in code_cells(NBS/'tutorials'/f'{name}.ipynb')]
    cells = [source for source in cells if not has_directive(source, 'slow', 'gpu', 'eval')]
    return '\n\n'.join(cells)


def use_package(python: Path, work: Path):
    "Use an installed package in the folder `work`."
    for source in python_examples(README.read_text(encoding='utf-8')):
        call(python, '-c', source, cwd=work)
    call(python, '-c', WITH_SAES, cwd=work)
    for name in TUTORIALS:
        script = work/f'{name}.py'
        script.write_text(tutorial_script(name), encoding='utf-8')
        call(python, script, cwd=work)
    short = ('--forget', 'biology-quick', '--steps', '40', '--quiet')
    call(python.parent/'sib_run', '--run', 'baseline', *short, cwd=work)
    call(python.parent/'sib_figures', cwd=work)


def try_wheel(base_python: str) -> int:
    "Build, install and use a wheel; the exit status."
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        call(sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', ROOT, '-w', place, cwd=place)
        call(base_python, '-m', 'venv', place/'env', cwd=place)
        python = place/'env'/'bin'/'python'
        call(python, '-m', 'pip', 'install', '-q', *place.glob('*.whl'), cwd=place)
        before = package_files(python)
        work = place/'work'
        work.mkdir()
        use_package(python, work)
        results = list((work/'data'/'results').glob('*.json'))
        figures = list((work/'figures').glob('*'))
        is_clean = package_files(python) == before
        print(f'{len(results)} results and {len(figures)} figures in the working directory;',
              'the package is unchanged' if is_clean else 'THE PACKAGE WAS CHANGED')
        return int(not (results and figures and is_clean))


if __name__ == '__main__':
    if sys.argv[1:] == ['check']:
        raise SystemExit(int(not check_installed()))
    if sys.argv[1:2] == ['wheel']:
        raise SystemExit(try_wheel(sys.argv[2] if len(sys.argv) > 2 else sys.executable))
    raise SystemExit(__doc__)
