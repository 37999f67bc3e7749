"The test run: checks and notebooks in forked processes, the longest first."
import json
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import architecture
import checks
import forked
import installed
import style
from durations import longest_first, save_times
from notebooks import NBS, ROOT, name_of, notebook_paths

TIME_LIMIT = 900  # seconds a notebook may take
CHECKS = {'sync': checks.check_sync,
          'architecture': architecture.check_architecture,
          'installed': installed.check_installed,
          'style': style.check_style}
WHOLE_CHECKS = {'site': checks.check_site,  # of all notebooks together
                'README example': checks.check_readme_example}


def test_notebook(path: Path, profile: Path = None) -> bool:
    "What `nbdev_test --path` does, in this process. `profile`: a file for each cell's seconds."
    from nbdev.config import get_config
    from nbdev.test import test_nb
    tools = str(Path(__file__).parent)
    sys.path[:] = [folder for folder in sys.path if folder != tools]
    sys.argv = ['nbdev_test']
    os.chdir(NBS)
    if profile:
        time_cells(profile)
    passed, _ = test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    return passed


def time_cells(profile: Path):
    "From now on, the shell writes a line of JSON for each cell: number, seconds and source."
    from execnb.shell import CaptureShell
    run_cell = CaptureShell.cell

    def timed_cell(self, cell, **options):
        began = time.perf_counter()
        processor_began = sum(os.times()[:4])  # with the processes that it waited for
        try:
            return run_cell(self, cell, **options)
        finally:
            seconds = time.perf_counter() - began
            processor_seconds = sum(os.times()[:4]) - processor_began
            line = json.dumps([cell.idx_, seconds, processor_seconds, cell.source])
            with profile.open('a', encoding='utf-8') as lines:
                lines.write(line + '\n')

    CaptureShell.cell = timed_cell


def profile_file(folder: Path, name: str) -> Path:
    return folder/(name.replace('/', '+') + '.jsonl')


def notebook_job(path: Path, profiles: Path = None) -> forked.Job:
    name = name_of(path)
    profile = profile_file(profiles, name) if profiles else None
    return forked.Job(name, partial(test_notebook, path, profile), TIME_LIMIT)


def print_profile(file: Path, n=5):
    "The slowest cells of a notebook."
    if not file.exists():
        return
    cells = [json.loads(line) for line in file.read_text(encoding='utf-8').splitlines()]
    cells.sort(key=lambda cell: -cell[1])
    for number, seconds, processor_seconds, source in cells[:n]:
        lines = [line.strip() for line in source.splitlines() if not line.startswith('#|')]
        print(f'{seconds:14.1f} s ({processor_seconds:.1f} s of processor) in cell {number}: '
              f'{" / ".join(lines)[:120]}', flush=True)


def test(names=(), n_workers=2, profile=False) -> int:
    "Run all checks and the tests of the notebooks; the exit status."
    for name in names:
        if not notebook_paths([name]):
            print(f'no notebook of nbs/ has {name!r} in its path')
            return 1
    forked.set_environment()
    began = time.monotonic()
    paths = longest_first(notebook_paths(names))
    if len(paths) >= forked.PRELOAD_FROM:
        forked.preload()
        print(f'libraries imported in {time.monotonic() - began:.1f} s', flush=True)
    profiles = Path(tempfile.mkdtemp()) if profile else None
    chosen = CHECKS if names else CHECKS | WHOLE_CHECKS
    jobs = [forked.Job(name, action, TIME_LIMIT) for name, action in chosen.items()]
    jobs += [notebook_job(path, profiles) for path in paths]
    results = []
    for result in forked.run_jobs(jobs, n_workers):
        result.report()
        results.append(result)
        if profile:
            print_profile(profile_file(profiles, result.name))
    save_times(results)
    if profile:
        shutil.rmtree(profiles)
    failed = [result for result in results if not result.passed]
    for result in failed:
        print(f'\n----- {result.name} -----\n{result.output[-12000:]}')
    print(f'\n{time.monotonic() - began:.0f} s')
    print(f'{len(results) - len(failed)} passed, {len(failed)} failed')
    return int(bool(failed))
