"JupyterLab on a folder, and a headless browser driven over the DevTools protocol."
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from notebooks import ROOT

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome',
            'chromium-headless-shell', 'microsoft-edge')
FLAGS = ('--headless=new', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--disable-quic',
         '--window-size=1400,1100', '--remote-debugging-port=0', '--remote-allow-origins=*')
LAB_SETTINGS = {
    'notebook-extension/tracker': dict(windowingMode='none'),
    'apputils-extension/notification': dict(fetchNews='false', checkForUpdates=False)}
LAB_OPTIONS = ('--no-browser', '--allow-root', '--ServerApp.port_retries=0',
               '--IdentityProvider.token=', '--ServerApp.ip=127.0.0.1')
KEYS = {'Enter': ('Enter', '\r', 13), ' ': ('Space', ' ', 32), 'Tab': ('Tab', '', 9),
        'End': ('End', '', 35), 'Delete': ('Delete', '', 46), 'ArrowLeft': ('ArrowLeft', '', 37),
        'ArrowUp': ('ArrowUp', '', 38), 'ArrowRight': ('ArrowRight', '', 39),
        'ArrowDown': ('ArrowDown', '', 40)}  # code, text, number
PATIENCE = 3.  # what should take a second may take three: a machine may have other work to do


def until(look, seconds: float, what: str, every=.1):
    "The first true result of `look()`. None within `seconds`, times `PATIENCE`, is an error."
    limit = seconds*PATIENCE
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f'{what}: not within {limit:.0f} s')


def find_chrome() -> str:
    "The program that the environment variable CHROME names, or one on the PATH."
    named = os.environ.get('CHROME')
    for name in [named] if named else PROGRAMS:
        path = shutil.which(name)
        if path:
            return path
    problem = f'CHROME={named} is no program' if named else 'no Chrome or Chromium on the PATH'
    sys.exit(f'browser-test: {problem}; install one (Debian, Ubuntu: apt-get install chromium), '
             'or set CHROME=/path/to/chrome')


def start_lab(folder: Path, port: int) -> subprocess.Popen:
    "JupyterLab on `folder/nbs`, with settings of its own, so that nobody's are touched."
    for name, value in LAB_SETTINGS.items():
        path = folder/'settings'/'@jupyterlab'/f'{name}.jupyterlab-settings'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1',
                       TOKENIZERS_PARALLELISM='false', HF_HUB_OFFLINE='1',
                       JUPYTER_CONFIG_DIR=str(folder/'config'),
                       JUPYTERLAB_SETTINGS_DIR=str(folder/'settings'),
                       JUPYTERLAB_WORKSPACES_DIR=str(folder/'workspaces'))
    command = [sys.executable, '-m', 'jupyterlab', *LAB_OPTIONS, f'--port={port}',
               '--LabApp.expose_app_in_browser=True', f'--ServerApp.root_dir={folder/"nbs"}']
    with open(folder/'lab.log', 'w') as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def wait_for_lab(lab: subprocess.Popen, folder: Path, port: int, seconds: float):
    def answers():
        if lab.poll() is not None:
            raise AssertionError(f'JupyterLab ended: {(folder/"lab.log").read_text()[-800:]}')
        try:
            return urllib.request.urlopen(f'http://127.0.0.1:{port}/api', timeout=5).status == 200
        except OSError:
            return False

    until(answers, seconds, 'JupyterLab starts', .5)


class Browser:
    "A page in a headless browser: real mouse and key events."
    def __init__(self, chrome: str, profile: Path):
        from websocket import create_connection
        flags = [*FLAGS, f'--user-data-dir={profile}']
        if hasattr(os, 'geteuid') and os.geteuid() == 0:
            flags.append('--no-sandbox')  # root has no sandbox
        self.log = open(profile/'chrome.log', 'w+')
        self.process = subprocess.Popen([chrome, *flags, 'about:blank'],
                                        stdout=self.log, stderr=self.log)
        port = until(self.debugging_port, 120, 'the browser starts')
        tabs = json.load(urllib.request.urlopen(f'http://127.0.0.1:{port}/json'))
        page = next(tab for tab in tabs if tab['type'] == 'page')
        self.socket = create_connection(page['webSocketDebuggerUrl'], timeout=120)
        self.n_sent = 0

    def debugging_port(self):
        match = re.search(r'ws://127\.0\.0\.1:(\d+)/', Path(self.log.name).read_text())
        return match and match[1]

    def post(self, method: str, **params):
        "Call a method without waiting for its answer."
        self.n_sent += 1
        self.socket.send(json.dumps(dict(id=self.n_sent, method=method, params=params)))

    def send(self, method: str, **params) -> dict:
        "Call a method of the DevTools protocol."
        self.post(method, **params)
        answer = {}
        sent = self.n_sent
        while answer.get('id') != sent:
            answer = json.loads(self.socket.recv())
            if answer.get('method') == 'Page.javascriptDialogOpening':  # leave an unsaved page?
                self.post('Page.handleJavaScriptDialog', accept=True)
        if 'error' in answer:
            raise AssertionError(f'{method}: {answer["error"]["message"]}')
        return answer['result']

    def evaluate(self, code: str):
        "The value of a JavaScript expression."
        answer = self.send('Runtime.evaluate', expression=code, returnByValue=True)
        if 'exceptionDetails' in answer:
            problem = answer['exceptionDetails']['exception'].get('description', '')
            raise AssertionError(f'{code[:80]}: {problem[:200]}')
        return answer['result'].get('value')

    def find(self, css: str) -> str:
        "JavaScript that finds the first element of a CSS selector."
        return f'document.querySelector({json.dumps(css)})'

    def find_labelled(self, css: str, label: str) -> str:
        "JavaScript that finds the first such element with just this text."
        is_it = f'e => e.innerText.trim() === {json.dumps(label)}'
        return f'[...document.querySelectorAll({json.dumps(css)})].find({is_it})'

    def box(self, element: str, scroll=True):
        "Left edge, middle (x, y) and width of what the JavaScript finds; None if it is not shown."
        scroll_to = "e.scrollIntoView({block: 'center'});" if scroll else ''
        return self.evaluate(f'''(e => {{
            if (!e) return null;
            {scroll_to}
            const r = e.getBoundingClientRect();
            if (!r.width) return null;
            return {{left: r.x, x: r.x + r.width/2, y: r.y + r.height/2, width: r.width}};
        }})({element})''')

    def wait_for(self, css: str) -> dict:
        "The box of an element, once it is shown."
        return until(lambda: self.box(self.find(css)), 30, f'{css} appears')

    def text(self, css: str) -> str:
        return self.evaluate(f'({self.find(css)} || {{}}).innerText || ""')

    def source(self, css: str) -> str:
        "The data of an image."
        return self.evaluate(f'{self.find(css)}.src')

    def mouse(self, kind: str, x: float, y: float, held=False):
        "`kind`: Pressed, Moved or Released."
        self.send('Input.dispatchMouseEvent', type=f'mouse{kind}', x=x, y=y, button='left',
                  buttons=int(held or kind == 'Pressed'), clickCount=1)

    def press(self, box: dict):
        "Move to the middle of a box and click."
        for kind in ('Moved', 'Pressed', 'Released'):
            self.mouse(kind, box['x'], box['y'])

    def click(self, css: str):
        self.press(self.wait_for(css))

    def drag(self, css: str, fraction: float, rail: str, n_steps=8):
        "Drag an element to a fraction of its rail, in steps, as a hand does."
        start = self.wait_for(css)
        along = self.wait_for(rail)
        end = along['left'] + fraction*along['width']
        self.mouse('Pressed', start['x'], start['y'])
        for step in range(1, n_steps + 1):
            x = start['x'] + (end - start['x'])*step/n_steps
            self.mouse('Moved', x, start['y'], held=True)
        self.mouse('Released', end, start['y'])

    def key(self, name: str):
        "Press a key of `KEYS` where the focus is."
        code, text, number = KEYS[name]
        extra = dict(text=text) if text else {}
        for kind in ('keyDown' if text else 'rawKeyDown', 'keyUp'):
            self.send('Input.dispatchKeyEvent', type=kind, key=name, code=code,
                      windowsVirtualKeyCode=number, **extra)

    def enter(self, css: str, text: str):
        "Click into a field, replace what it holds, and press Enter."
        self.click(css)
        self.evaluate(f'{self.find(css)}.select()')
        if text:
            self.send('Input.insertText', text=text)
        else:
            self.key('Delete')
        self.key('Enter')

    def choose(self, title: str, item: str):
        "Choose an item of one of JupyterLab's menus. A busy page may open a menu late, or never."
        bar = self.find_labelled('.lm-MenuBar-itemLabel', title)
        entry = self.find_labelled('.lm-Menu-itemLabel', item)
        for is_last in (False, False, False, True):
            self.press(until(lambda: self.box(bar, scroll=False), 30, f'the menu {title}'))
            try:
                until(lambda: self.box(entry, scroll=False), 15, f'the menu item {item}')
                break
            except AssertionError:
                if is_last:
                    raise
        time.sleep(.3)
        self.press(self.box(entry, scroll=False))

    def save_picture(self, path: Path):
        picture = self.send('Page.captureScreenshot', format='png')['data']
        path.write_bytes(base64.b64decode(picture))

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
