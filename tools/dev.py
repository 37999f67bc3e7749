"""What the Makefile calls: `python tools/dev.py sync | readme | api | run [NOTEBOOK …] | results [NOTEBOOK …] | test [NOTEBOOK …]`.

sync    fails, naming the file, if exporting, cleaning or rebuilding README.md or API.md would change anything
readme  writes README.md from nbs/index.ipynb
api     writes API.md from the modules: what each exports, with the docments of its parameters
run     executes notebooks in fresh kernels and saves them; cells marked slow keep their outputs and are not run
results does the same with the slow cells that write a file of data/results which isn't there (or was being made when the last call was stopped), and leaves all other notebooks alone
test    sync, then nbdev_test on every notebook in a process of its own, then `N passed, M failed`
"""
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
LIMIT = 900  # seconds a notebook may take
BIN = Path(sys.executable).parent


def sh(*args, cwd=ROOT, env=None, timeout=None):
    return subprocess.run([str(a) for a in args], cwd=cwd, env={**os.environ, **(env or {})}, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def readme() -> str:
    "README.md as Markdown, from the index notebook: hidden cells dropped, paths seen from the root."
    from nbconvert import MarkdownExporter
    import nbformat
    nb = nbformat.read(NBS/'index.ipynb', as_version=4)
    nb.cells = [c for c in nb.cells if not re.match(r'#\|\s*hide\b', c.source)]
    for c in nb.cells:  # a cell marked `echo: false` shows its result, not its code
        if not c.source.startswith('#| echo: false'): continue
        shown = ''.join(o['data']['text/markdown'] for o in c.outputs if 'text/markdown' in o.get('data', {}))
        c.cell_type, c.source = 'markdown', shown
        del c['outputs'], c['execution_count']
    text, _ = MarkdownExporter().from_notebook_node(nb)
    text = text.replace('](../', '](').replace('src="../', 'src="')
    text = re.sub(r'\]\((\w+\.ipynb)', r'](nbs/\1', text)
    return re.sub(r'\n{3,}', '\n\n', text).strip() + '\n'


def documented(f: ast.FunctionDef, lines) -> list:  # (names, meaning) of what stands on one line; '→' is what comes back
    "Docments: what the comments behind a function's parameters say."
    at, out = {}, []
    for a in [*f.args.posonlyargs, *f.args.args, f.args.vararg, *f.args.kwonlyargs, f.args.kwarg]:
        if a is not None and a.arg not in ('self', 'cls'): at.setdefault(a.end_lineno, []).append(a.arg)
    first = f.body[0].lineno
    for n in range(f.lineno, max(first, f.lineno + 1)):
        code, _, comment = lines[n-1].partition('  # ')
        last = re.search(r'\)\s*(->.*)?:\s*$', code)
        if comment: out.append(('→' if last else ', '.join(at.get(n, [])), comment.strip()))
    return [(names, c) for names, c in out if names]


def signature(f: ast.FunctionDef) -> str:
    "Names and defaults, without annotations."
    a = ast.parse(ast.unparse(f)).body[0].args
    for x in [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg]:
        if x is not None: x.annotation = None
    a.args = [x for x in a.args if x.arg not in ('self', 'cls')]
    return f'{f.name}({ast.unparse(a)})'


def first_line(node) -> str: return (ast.get_docstring(node) or '').split('\n')[0]


def entry(node, lines, methods, private=None) -> list:  # `private`: classes whose fields are inherited and not listed elsewhere
    "Title, sentence and list for one function or class."
    if isinstance(node, ast.FunctionDef):
        return [f'### `{signature(node)}`', first_line(node), '\n'.join(f'- `{n}`: {c}' if n != '→' else f'- → {c}' for n, c in documented(node, lines))]
    init = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == '__init__'), None)
    out, line = [], [node]
    while parent := next((private[b.id] for b in line[0].bases if isinstance(b, ast.Name) and b.id in (private or {})), None): line.insert(0, parent)
    for m in (m for c in line for m in c.body):
        if isinstance(m, ast.AnnAssign) and '  # ' in lines[m.lineno-1]:
            default = f' = {ast.unparse(m.value)}' if m.value is not None else ''
            out.append(f'- `{m.target.id}{default}`: {lines[m.lineno-1].partition("  # ")[2].strip()}')
    if init: out += [f'- `{n}`: {c}' for n, c in documented(init, lines) if n != '→']
    for m in [*(m for m in node.body if isinstance(m, ast.FunctionDef)), *methods]:
        if not m.name.startswith('_') and first_line(m): out.append(f'- `.{signature(m)}` {first_line(m)}')
    return [f'### class `{signature(init).replace("__init__", node.name, 1) if init else node.name}`', first_line(node), '\n'.join(out)]


def module(path) -> tuple:  # (name of its notebook, Markdown)
    "The public names of one module."
    text = path.read_text(encoding='utf-8'); tree, lines = ast.parse(text), text.splitlines()
    nb = re.search(r'File to edit: \.\./nbs/(\S+?)\.ipynb', text)[1]
    public = next((ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == '__all__'), [])
    patched, constants, entries = {}, [], []
    for n in tree.body:                                       # methods that are patched onto a class are listed with it
        if isinstance(n, ast.FunctionDef) and any(isinstance(d, ast.Name) and d.id == 'patch' for d in n.decorator_list):
            patched.setdefault(ast.unparse(n.args.args[0].annotation), []).append(n)
    private = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef) and n.name.startswith('_')}
    for n in tree.body:
        names = [t.id for t in ast.walk(n.targets[0]) if isinstance(t, ast.Name) and t.id in public] if isinstance(n, ast.Assign) else []
        if names: constants.append('- ' + ', '.join(f'`{t}`' for t in names) + (': ' + c if (c := lines[n.lineno-1].partition('  # ')[2].strip()) else ''))
        elif getattr(n, 'name', None) in public and n not in sum(patched.values(), []): entries.append(entry(n, lines, patched.get(n.name, []), private))
    parts = [f'## [{path.stem}](nbs/{nb}.ipynb)', first_line(tree), '\n'.join(constants), *sum(entries, [])]
    return nb, '\n\n'.join(p for p in parts if p)


def api() -> str:
    "API.md: the public names of every module, in the order of the notebooks."
    parts = sorted(module(f) for f in (ROOT/'sib_nb').glob('*.py') if not f.name.startswith('_'))
    index = ' · '.join(f'[{t.split("](")[0][4:]}](#{t.split("](")[0][4:]})' for _, t in parts)
    head = ('# API\n\nWhat each module exports, made from the source by `python tools/dev.py api`. A module is written, explained and tested in the notebook '
            'that its heading links to. Shapes are in parentheses; `→` is what comes back.\n\n' + index)
    return '\n\n'.join([head, *(t for _, t in parts)]) + '\n'


def snapshot(folder) -> dict:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()
            and '__pycache__' not in p.parts and '.ipynb_checkpoints' not in p.parts}


def differing(before: dict, after: dict) -> list:
    return sorted(f for f in before.keys() | after.keys() if before.get(f) != after.get(f))


def sync() -> list:
    "Names of files that are not what the notebooks say they should be."
    bad = []
    with tempfile.TemporaryDirectory() as tmp:  # a copy: the check itself changes nothing
        copy = Path(tmp)/'repo'
        shutil.copytree(ROOT/'nbs', copy/'nbs', ignore=shutil.ignore_patterns('.ipynb_checkpoints'))
        shutil.copytree(ROOT/'sib_nb', copy/'sib_nb', ignore=shutil.ignore_patterns('__pycache__'))
        for f in ('settings.ini', 'setup.py', 'README.md'): shutil.copy(ROOT/f, copy/f)
        for f in (copy/'sib_nb').glob('*.py'):
            if f.name != '__init__.py': f.unlink()
        r = sh(BIN/'nbdev_export', cwd=copy)
        if r.returncode: bad.append('nbdev_export fails: ' + r.stdout.strip().splitlines()[-1])
        bad += [f'sib_nb/{f}: run nbdev_export' for f in differing(snapshot(ROOT/'sib_nb'), snapshot(copy/'sib_nb'))]
        sh(BIN/'nbdev_clean', cwd=copy)
        bad += [f'nbs/{f}: run nbdev_clean' for f in differing(snapshot(ROOT/'nbs'), snapshot(copy/'nbs'))]
    have = (ROOT/'README.md').read_text(encoding='utf-8') if (ROOT/'README.md').exists() else ''
    if have != readme(): bad.append('README.md: run make readme')
    have = (ROOT/'API.md').read_text(encoding='utf-8') if (ROOT/'API.md').exists() else ''
    if have != api(): bad.append('API.md: run python tools/dev.py api')
    for nb in sorted(NBS.glob('*.ipynb')):  # committed executed, and without errors
        cells = [c for c in json.loads(nb.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code']
        if any(o.get('output_type') == 'error' for c in cells for o in c['outputs']): bad.append(f'nbs/{nb.name}: holds an error output')
        if cells and not any(c['outputs'] for c in cells): bad.append(f'nbs/{nb.name}: has no outputs; run it and save it')
    return bad


def test_one(nb: Path) -> tuple:
    start = time.time()
    env = dict(OMP_NUM_THREADS='1', TOKENIZERS_PARALLELISM='false', HF_HUB_OFFLINE='1', PATH=f'{BIN}:{os.environ["PATH"]}')
    try:
        r = sh(BIN/'nbdev_test', '--path', nb, '--n_workers', 0, '--do_print', env=env, timeout=LIMIT)
        ok, out = r.returncode == 0, r.stdout
    except subprocess.TimeoutExpired as e:
        ok, out = False, f'{(e.stdout or b"").decode(errors="replace")}\nstopped after {LIMIT} s'
    print(f'{"passed" if ok else "FAILED"}  {nb.name:28} {time.time()-start:5.0f} s', flush=True)
    return ok, nb.name, out


def files(source: str) -> set:
    "Files of data/results that a cell speaks of."
    return set(re.findall(r"results'?/'(\w+\.json)'", source))


def run(names, results=False) -> int:
    import nbformat
    from nbclient import NotebookClient
    paths = [p for p in sorted(NBS.glob('*.ipynb')) if not names or any(n in p.name for n in names)]
    slow_files = {p: set().union(*(files(''.join(c['source'])) for c in json.loads(p.read_text(encoding='utf-8'))['cells'] if ''.join(c['source']).startswith('#| slow'))) for p in paths}
    folder = ROOT/'data'/'results'; note = folder/'.unfinished'          # what an earlier call was making when it was stopped: such a file may be there in part
    begun = set(note.read_text(encoding='utf-8').split()) if note.exists() else set()
    known = set().union(*slow_files.values()); todo = {f for f in known if f in begun or not (folder/f).exists()} if results else set()
    for i, path in enumerate(paths):
        if results and not slow_files[path] & todo: continue
        if results: note.write_text(' '.join(todo | begun - known), encoding='utf-8')
        nb = nbformat.read(path, as_version=4)
        marked = [c for c in nb.cells if c.cell_type == 'code' and re.match(r'#\|\s*(slow|gpu|eval:\s*false)\b', c.source)]
        due = [c.id for c in marked if c.source.startswith('#| slow') and files(c.source) & todo]
        print(path.name, *sorted(slow_files[path] & todo), flush=True)
        slow = {c.id: (c.source, c.outputs) for c in marked if c.id not in due}
        for c in nb.cells:
            if c.id in slow: c.source = 'pass'
        NotebookClient(nb, timeout=None if due else LIMIT, iopub_timeout=120, store_widget_state=False, resources={'metadata': {'path': str(NBS)}}).execute()
        for c in nb.cells:
            if c.id in slow: (c.source, c.outputs), c.execution_count = slow[c.id], None
        nbformat.write(nb, path)
        todo &= set().union(*(slow_files[p] for p in paths[i+1:]))              # several notebooks may add to one file
    if results: note.write_text(' '.join(begun - known), encoding='utf-8') if begun - known else note.unlink(missing_ok=True)
    return 0


def test(names) -> int:
    bad = sync()
    for b in bad: print('FAILED  out of sync:', b)
    if not bad: print('passed  export, cleaning, README and API are in sync')
    nbs = [p for p in sorted(NBS.glob('*.ipynb')) if not names or any(n in p.name for n in names)]
    with ThreadPoolExecutor(max(1, min(2, os.cpu_count() or 1))) as pool: results = list(pool.map(test_one, nbs))
    for ok, name, out in results:
        if not ok: print(f'\n----- {name} -----\n{out[-6000:]}')
    failed = bool(bad) + sum(not ok for ok, *_ in results)
    print(f'\n{len(results) + 1 - failed} passed, {failed} failed')
    return int(failed > 0 or not results)


def main(argv):
    what, rest = (argv or ['help'])[0], argv[1:]
    if what == 'test': return test(rest)
    if what in ('run', 'results'): return run(rest, what == 'results')
    if what == 'readme':
        (ROOT/'README.md').write_text(readme(), encoding='utf-8'); return 0
    if what == 'api':
        (ROOT/'API.md').write_text(api(), encoding='utf-8'); return 0
    if what == 'sync':
        bad = sync()
        print('\n'.join(bad) or 'in sync'); return int(bool(bad))
    print(__doc__); return int(what not in ('help', '--help', '-h'))


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
