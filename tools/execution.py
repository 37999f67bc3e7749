"Executes notebooks in Jupyter kernels and saves their outputs."
import re
import subprocess
import time
from functools import partial
from pathlib import Path

import forked
from durations import longest_first
from forked_kernel import ForkedKernel
from notebooks import BIN, ROOT, code_cells, has_directive, name_of, notebook_paths

TIME_LIMIT = 900                      # seconds a cell may take, unless it is marked slow
RESULTS = ROOT/'data'/'results'
UNFINISHED = RESULTS/'.unfinished'    # names of the files that a stopped call was making


def result_files(source: str) -> set:
    "Files and folders of data/results that a cell says it makes; else the files that it speaks of."
    makes = re.search(r'^#\| makes: (.+)$', source, re.MULTILINE)
    if makes:
        return set(makes[1].split())
    return set(re.findall(r"""results['"]?\s*/\s*['"](\w+\.json)""", source))


def slow_files(path: Path) -> set:
    "Files of data/results that a notebook's slow cells speak of."
    files = set()
    for cell in code_cells(path):
        if has_directive(cell['source'], 'slow'):
            files |= result_files(cell['source'])
    return files


def is_skipped(cell, due: set) -> bool:
    "Whether a cell keeps its outputs. `due`: files for which slow cells do run."
    if cell.cell_type != 'code':
        return False
    if 'nbdev_export(' in cell.source:  # done once, before any notebook runs
        return True
    if has_directive(cell.source, 'slow') and result_files(cell.source) & due:
        return False
    return has_directive(cell.source, 'slow', 'gpu', r'eval:\s*false')


def execute(path: Path, due=frozenset()):
    "Run a notebook in a kernel of its own, in its folder, and save it."
    import nbformat
    from nbclient import NotebookClient
    notebook = nbformat.read(path, as_version=4)
    kept = {cell.id: (cell.source, cell.outputs) for cell in notebook.cells
            if is_skipped(cell, due)}
    for cell in notebook.cells:
        if cell.id in kept:
            cell.source = 'pass'
    client = NotebookClient(notebook, timeout=None if due else TIME_LIMIT, iopub_timeout=120,
                            store_widget_state=False,
                            resources={'metadata': {'path': str(path.parent)}})
    client.execute()
    for cell in notebook.cells:
        if cell.id in kept:
            cell.source, cell.outputs = kept[cell.id]
            cell.execution_count = None
    nbformat.write(notebook, path)


def execute_in_fork(path: Path) -> bool:
    "The same with a forked kernel; to be called in a process that does nothing else."
    ForkedKernel.prepare(path.parent)
    execute(path)
    return True


def export():
    "Write the modules, so that every notebook runs with what the others say now."
    subprocess.run([BIN/'nbdev_export'], cwd=ROOT, check=True)


def run(names=(), n_workers=2) -> int:
    "Execute notebooks, some at a time; cells marked slow, gpu or eval: false keep their outputs."
    forked.set_environment()
    export()
    paths = longest_first(notebook_paths(names))
    if len(paths) >= forked.PRELOAD_FROM:
        forked.preload()
    jobs = [forked.Job(name_of(path), partial(execute_in_fork, path), 10*TIME_LIMIT)
            for path in paths]
    failed = 0
    for result in forked.run_jobs(jobs, n_workers):
        result.report()
        if not result.passed:
            print(result.output[-6000:], flush=True)
            failed += 1
    return int(failed > 0)


def note_unfinished(files: set):
    "Remember which files are being made; one that a stopped call leaves may be there in part."
    if files:
        UNFINISHED.write_text(' '.join(sorted(files)), encoding='utf-8')
    else:
        UNFINISHED.unlink(missing_ok=True)


def results(names=()) -> int:
    "Run the slow cells that write a file of data/results which is missing, one after the other."
    forked.set_environment()
    export()
    makers = {path: slow_files(path) for path in notebook_paths(names)}
    known = set().union(*makers.values())
    begun = set()
    if UNFINISHED.exists():
        begun = set(UNFINISHED.read_text(encoding='utf-8').split())
    todo = {name for name in known if name in begun or not (RESULTS/name).exists()}
    paths = list(makers)
    began, n_done, n_due = time.time(), 0, sum(bool(makers[path] & todo) for path in paths)
    for position, path in enumerate(paths):
        due = makers[path] & todo
        if not due:
            continue
        note_unfinished(todo | begun - known)
        said = f'{n_done + 1} of {n_due} notebooks'
        if n_done:
            each = (time.time() - began) / n_done
            said += f', about {each * (n_due - n_done) / 60:.0f} min left'
        print(f'{said}: {name_of(path)}', *sorted(due), flush=True)
        execute(path, due)
        n_done += 1
        later = [makers[other] for other in paths[position + 1:]]
        todo &= set().union(*later)  # several notebooks may add to one file
    note_unfinished(begun - known)
    return 0
