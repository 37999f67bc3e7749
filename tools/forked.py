"""Jobs in forked processes, a few at a time.

The parent imports the heavy libraries once, and starts no thread of theirs. Each job is a function
that runs in a fork of it: a process of its own, in which these imports cost nothing. A job ends as
an interpreter does, with what is registered to be done at exit: the parent must register nothing
there, so it uses no TemporaryDirectory.
"""
import atexit
import contextlib
import gc
import importlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Callable

from notebooks import BIN, ROOT

LIBRARIES = '''
torch torch.distributed.run torch._dynamo numpy pandas scipy.stats numba threadpoolctl psutil
matplotlib.pyplot seaborn sklearn.cluster sklearn.linear_model sklearn.metrics safetensors.torch
transformers.models.gemma2.modeling_gemma2 tokenizers datasets
sae_lens sae_lens.synthetic transformer_lens
sae_bench.evals.unlearning.eval_output sae_bench.evals.sparse_probing.eval_output
nbdev.test nbdev.showdoc fastcore.test ipywidgets hypothesis tqdm.auto
ipykernel.kernelapp nbclient nbformat jupyter_client.provisioning.local_provisioner
'''.split()
PRELOAD_FROM = 4  # with fewer notebooks, each imports only what it needs
ENVIRONMENT = dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1',
                   TOKENIZERS_PARALLELISM='false', HF_HUB_OFFLINE='1')


@dataclass(frozen=True)
class Job:
    name: str
    action: Callable[[], bool]  # whether it passed; what it prints is kept
    seconds: float              # how long it may take


@dataclass(frozen=True)
class Result:
    name: str
    passed: bool
    seconds: float
    processor_seconds: float  # of all its processes; hardly depends on what else the machine does
    output: str

    def report(self):
        word = 'passed' if self.passed else 'FAILED'
        print(f'{word}  {self.name:48} {self.seconds:6.1f} s '
              f'({self.processor_seconds:.1f} s of processor)', flush=True)


class RunningJob:
    "A job in a forked process of its own session."
    def __init__(self, job: Job):
        self.job = job
        self.log = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.timed_out = False
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            run_and_exit(job, self.log.fileno())

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def result(self):
        "The result, or None while it runs. Kills what has taken too long."
        seconds = time.monotonic() - self.began
        if seconds > self.job.seconds and not self.timed_out:
            self.timed_out = True
            self.kill()
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.log.seek(0)
        output = self.log.read().decode(errors='replace')
        if self.timed_out:
            output += f'\nstopped after {self.job.seconds:.0f} s'
        elif os.WIFSIGNALED(status):
            output += f'\nended by signal {os.WTERMSIG(status)}'
        processor_seconds = usage.ru_utime + usage.ru_stime
        return Result(self.job.name, status == 0, seconds, processor_seconds, output)


def run_and_exit(job: Job, log: int):
    "What a forked process does. Never returns, since the stack below is the parent's."
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        reseed()
        status = int(not job.action())
    except BaseException:  # SystemExit, too
        traceback.print_exc()
    finally:
        for step in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush):
            with contextlib.suppress(BaseException):
                step()  # what the interpreter does at its end, in its order
        os._exit(status)


def reseed():
    "Global generators as unpredictable as in a fresh process."
    random.seed()
    if 'numpy' in sys.modules:
        sys.modules['numpy'].random.seed()


def set_environment():
    "One thread a process, nothing from the network, and the package of this checkout."
    os.chdir(ROOT)
    os.environ.update(ENVIRONMENT)
    os.environ['PYTHONPATH'] = str(ROOT)  # for processes that are not forked
    sys.path.insert(0, str(ROOT))
    os.environ['PATH'] = f'{BIN}{os.pathsep}{os.environ["PATH"]}'


def preload():
    "Import the heavy libraries, but nothing of the package that is tested."
    for name in LIBRARIES:
        importlib.import_module(name)
    loaded = [name for name in sys.modules if name.partition('.')[0] == 'sib_nb']
    assert not loaded, f'imported before the fork: {loaded}'
    gc.collect()
    gc.freeze()  # a child's garbage collection leaves these pages shared


def stop(*_):
    "A signal handler; the jobs are killed on the way out."
    sys.exit('stopped by a signal')


def run_jobs(jobs, n_workers: int):
    "Yield the results as jobs end; they start in the order given."
    signal.signal(signal.SIGTERM, stop)
    waiting = list(jobs)
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < n_workers:
                running.append(RunningJob(waiting.pop(0)))
            time.sleep(.05)
            for one in list(running):
                result = one.result()
                if result is not None:
                    running.remove(one)
                    yield result
    finally:
        for one in running:
            one.kill()
