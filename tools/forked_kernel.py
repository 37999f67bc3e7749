"""A real Jupyter kernel whose process is forked, so that the heavy libraries need no import.

`ForkedKernel.prepare(folder)` forks the process that will be the kernel, before this process has
threads, sockets or an event loop. When nbclient then wants to launch a kernel, it gets this one:
the process is told its connection file and goes on as `python -m ipykernel_launcher` does.
"""
import os
import signal
import sys
import time
import traceback
from pathlib import Path


class ForkedKernel:
    "What jupyter_client uses of a `Popen`."
    stdin = stdout = stderr = None

    def __init__(self, folder: Path):
        reader, self.writer = os.pipe()
        self.returncode = None
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.writer)
            become_kernel(reader, folder)
        os.close(reader)

    @classmethod
    def prepare(cls, folder: Path):
        "Fork, and let the next kernel be launched in that process, in that folder."
        from jupyter_client.provisioning import local_provisioner
        kernel = cls(folder)
        local_provisioner.launch_kernel = kernel.launch

    def launch(self, command, **_):
        "In place of jupyter_client's function of the same name."
        connection_file = command[command.index('-f') + 1]
        os.write(self.writer, connection_file.encode())
        os.close(self.writer)
        return self

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        while self.poll() is None:
            time.sleep(.02)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def become_kernel(reader: int, folder: Path):
    "Wait for the connection file and run the kernel. Never returns."
    try:
        os.setsid()
        os.chdir(folder)
        connection_file = os.read(reader, 4096).decode()
        if connection_file:
            tools = str(Path(__file__).parent)
            sys.path[:] = [folder for folder in sys.path if folder != tools]
            sys.argv = ['ipykernel_launcher', '-f', connection_file,
                        f'--IPKernelApp.parent_handle={os.getppid()}',
                        '--HistoryManager.enabled=False']  # stored outputs have no message of it
            if 'matplotlib' in sys.modules:  # imported for another backend than a kernel's
                sys.argv.append('--matplotlib=inline')
            from ipykernel import kernelapp
            kernelapp.launch_new_instance()
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
