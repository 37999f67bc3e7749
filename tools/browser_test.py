"""What `make browser-test` runs: the explorer notebook in a real JupyterLab, driven through a real, headless Chrome or Chromium.

It opens a copy of nbs/14_explorer.ipynb, runs all cells from the menu, turns every kind of control with mouse and keyboard,
and reads the numbers that change. Chrome is taken from the environment variable CHROME, or found on the PATH.

    python tools/browser_test.py [--screenshots FOLDER] [--wait SECONDS]
"""
import argparse
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'chromium-headless-shell', 'microsoft-edge')
FLAGS = ('--headless=new', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--disable-quic', '--window-size=1400,1100', '--remote-debugging-port=0', '--remote-allow-origins=*')


def find_chrome() -> str:
    named = os.environ.get('CHROME')
    found = [p for n in ([named] if named else NAMES) if (p := shutil.which(n))]
    if found: return found[0]
    sys.exit((f'browser-test: CHROME={named} is no program' if named else 'browser-test: there is no Chrome or Chromium on the PATH')
             + '; install one (Debian, Ubuntu: apt-get install chromium), or set CHROME=/path/to/chrome')


def free_port() -> int:
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); return s.getsockname()[1]


PATIENCE = 3.  # what should take a second may take three: a machine may have other work to do


def until(look, seconds, what, every=.1):
    "The first true result of `look()`; none within `seconds`, times `PATIENCE`, is an error."
    end = time.monotonic() + (seconds := seconds*PATIENCE)
    while time.monotonic() < end:
        if found := look(): return found
        time.sleep(every)
    raise AssertionError(f'{what}: not within {seconds:.0f} s')


class Browser:
    "A page in a headless browser, driven over the DevTools protocol: real mouse and key events."
    def __init__(self, chrome, profile):
        flags = [*FLAGS, f'--user-data-dir={profile}'] + ['--no-sandbox']*(hasattr(os, 'geteuid') and os.geteuid() == 0)   # root has no sandbox
        self.log = open(Path(profile)/'chrome.log', 'w+')
        self.proc = subprocess.Popen([chrome, *flags, 'about:blank'], stdout=self.log, stderr=self.log)
        port = until(lambda: (m := re.search(r'ws://127\.0\.0\.1:(\d+)/', Path(self.log.name).read_text())) and m[1], 120, 'the browser starts')
        tabs = json.load(urllib.request.urlopen(f'http://127.0.0.1:{port}/json'))
        from websocket import create_connection
        self.ws, self.n = create_connection(next(t for t in tabs if t['type'] == 'page')['webSocketDebuggerUrl'], timeout=120), 0

    def send(self, method, **params):
        self.n += 1; self.ws.send(json.dumps(dict(id=self.n, method=method, params=params)))
        while (r := json.loads(self.ws.recv())).get('id') != self.n: pass
        if 'error' in r: raise AssertionError(f'{method}: {r["error"]["message"]}')
        return r['result']

    def js(self, code):
        "The value of a JavaScript expression."
        r = self.send('Runtime.evaluate', expression=code, returnByValue=True)
        if 'exceptionDetails' in r: raise AssertionError(f'{code[:80]}: {r["exceptionDetails"]["exception"].get("description", "")[:200]}')
        return r['result'].get('value')

    def at(self, css):
        "Where the middle of the element is on the screen, scrolled into view."
        return self.js(f"(e => {{ if (!e) return null; e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect(); return [r.x + r.width/2, r.y + r.height/2, r.width] }})({self.find(css)})")

    def find(self, css): return f'document.querySelector({json.dumps(css)})'
    def text(self, css): return self.js(f'({self.find(css)} || {{}}).innerText || ""')
    def mouse(self, kind, x, y, held=False): self.send('Input.dispatchMouseEvent', type=f'mouse{kind}', x=x, y=y, button='left', buttons=int(held or kind == 'Pressed'), clickCount=1)
    def click(self, css):
        x, y, _ = until(lambda: self.at(css), 30, f'{css} appears'); self.mouse('Pressed', x, y); self.mouse('Released', x, y)

    def drag(self, css, to, rail):
        "Drag the element to a fraction of the rail, in steps, as a hand does."
        x, y, _ = until(lambda: self.at(css), 30, f'{css} appears'); left = self.js(f'{self.find(rail)}.getBoundingClientRect().x'); width = self.at(rail)[2]
        self.mouse('Pressed', x, y)
        for i in range(1, 9): self.mouse('Moved', x + (left + to*width - x)*i/8, y, held=True)
        self.mouse('Released', left + to*width, y)

    def key(self, key, code):
        text = dict(text='\r') if key == 'Enter' else {}
        for kind in ('keyDown', 'keyUp'): self.send('Input.dispatchKeyEvent', type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def type(self, css, text): self.click(css); self.send('Input.insertText', text=text)
    def picture(self, path): Path(path).write_bytes(base64.b64decode(self.send('Page.captureScreenshot', format='png')['data']))

    def close(self): self.proc.terminate(); self.proc.wait(30); self.log.close()


def copy_notebook(name, folder):
    "A copy without outputs, so that whatever is seen was computed now."
    nb = json.loads((ROOT/'nbs'/name).read_text(encoding='utf-8')); nb['metadata'].pop('widgets', None)
    for c in nb['cells']:
        if c['cell_type'] == 'code': c['outputs'], c['execution_count'] = [], None
    (folder/name).write_text(json.dumps(nb), encoding='utf-8')


def start_lab(folder, port):
    "JupyterLab on a folder, with settings of its own, so that nobody's are touched."
    settings = folder/'settings'/'@jupyterlab'
    for name, value in {'notebook-extension/tracker': dict(windowingMode='none'), 'apputils-extension/notification': dict(fetchNews='false', checkForUpdates=False)}.items():
        f = settings/f'{name}.jupyterlab-settings'; f.parent.mkdir(parents=True, exist_ok=True); f.write_text(json.dumps(value))
    env = dict(os.environ, IN_TEST='1', JUPYTER_CONFIG_DIR=str(folder/'config'), JUPYTERLAB_SETTINGS_DIR=str(folder/'settings'), JUPYTERLAB_WORKSPACES_DIR=str(folder/'workspaces'),
               OMP_NUM_THREADS='1', TOKENIZERS_PARALLELISM='false', HF_HUB_OFFLINE='1', PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]))
    log = open(folder/'lab.log', 'w')
    return subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', f'--port={port}', '--ServerApp.port_retries=0', '--IdentityProvider.token=',
                             '--ServerApp.ip=127.0.0.1', f'--ServerApp.root_dir={folder/"nbs"}'], env=env, stdout=log, stderr=log)


def number(text, pattern):
    m = re.search(pattern, text); return float(m[1]) if m else None


class Checks:
    def __init__(self): self.passed, self.failed = 0, 0
    def __call__(self, name, act):
        t0 = time.monotonic()
        try: said, ok = act(), True
        except AssertionError as e: said, ok = str(e), False
        self.passed += ok; self.failed += not ok
        print(f'{"passed" if ok else "FAILED"}  {name} ({time.monotonic()-t0:.1f} s)' + (f': {said}' if said else ''), flush=True)
        return ok


def drive(b, url, wait, shots):
    "Everything that a person would do, in order."
    check = Checks()
    picture = lambda name: b.picture(shots/f'{name}.png') if shots else None
    body = '.jp-Notebook'
    status, tab = lambda: b.text('.sib-status'), lambda i: b.click(f'.widget-tab .lm-TabBar-tab:nth-child({i})')

    def opened():
        b.send('Page.enable'); b.send('Page.navigate', url=url)
        until(lambda: b.js(f'{b.find(body)} !== null && document.querySelectorAll(".jp-CodeCell").length > 10'), 180, 'the notebook opens')
        def idle():
            if b.at('.jp-Dialog .jp-mod-accept'): b.click('.jp-Dialog .jp-mod-accept')          # which kernel? the one on offer
            return b.js(f'({b.find(".jp-Notebook-ExecutionIndicator")} || {{dataset: {{}}}}).dataset.status') == 'idle'
        until(idle, 180, 'the kernel starts', .5)
    def ran():
        prompts = lambda: b.js('[...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(e => e.innerText).join("")')
        idle = presses = 0
        def done():
            nonlocal idle, presses
            errors = b.js('[...document.querySelectorAll(".jp-OutputArea-output")].map(e => e.innerText).filter(t => t.includes("Traceback")).join(" ").slice(-300)')
            assert not errors, errors
            if b.at('.sib-group select'): return True
            idle = 0 if re.search(r'[*\d]', prompts()) else idle + 1
            if presses == 0 or idle >= 10:               # a kernel that has just started may swallow the first command, cells and all
                assert presses < 4, f'Run All Cells was chosen {presses} times, and no cell ran'
                menu(b, 'Run', 'Run All Cells'); idle, presses = 0, presses + 1
        until(done, wait/PATIENCE, 'the panels appear', 1)
    def group():
        old, img = until(lambda: b.text('.widget-tab .sib-texts'), 20, 'the texts appear'), b.js(f'{b.find(".sib-make")}.src')
        b.click('.sib-group option:nth-child(3)')
        until(lambda: b.text('.widget-tab .sib-texts') != old and b.js(f'{b.find(".sib-make")}.src') != img, 20, 'texts and picture change')
        picture('2_group'); return b.js(f'(s => s.options[s.selectedIndex].text)({b.find(".sib-group select")})')
    def training():
        tab(2); until(lambda: b.text('.sib-counts'), 20, 'the training panel appears')
        old, first = b.text('.sib-counts'), b.text('.sib-step .widget-readout')
        b.drag('.sib-step .noUi-handle', 1., '.sib-step .noUi-target')
        last = until(lambda: (t := b.text('.sib-step .widget-readout')) != first and t, 10, 'the slider moves')
        until(lambda: b.text('.sib-counts').startswith(f'step {last}:'), 20, f'the counts follow to step {last}')
        picture('3_training'); return f'{old} → {b.text(".sib-counts")}'
    def clamp():
        tab(3); until(status, 20, 'the unlearning panel appears')
        first, src = b.text('.sib-kept'), b.js(f'{b.find(".sib-tradeoff")}.src')
        assert number(status(), r'set to −?([\d.]+) units') == 0, status()
        b.drag('.sib-strength .noUi-handle', .8, '.sib-strength .noUi-target')
        t0 = time.monotonic(); shown = until(lambda: number(b.text('.sib-strength .widget-readout'), r'([\d.]+)'), 5, 'the slider shows a number')
        assert 70 <= shown <= 90, f'dragged to .8 of 0 to 100, the slider says {shown}'
        until(lambda: number(status(), r'set to −?([\d.]+) units') == shown, 30, f'the numbers follow the slider to {shown}', .02); late = time.monotonic()-t0
        until(lambda: b.text('.sib-kept') != first and b.js(f'{b.find(".sib-tradeoff")}.src') != src, 10, 'table and picture change')
        lost = number(b.text('.sib-lost'), r'(\d+) questions lost'); table = sum(int(r.split()[4]) for r in b.text('.sib-kept').splitlines()[1:])
        assert lost == table > 0, f'{lost} questions listed as lost, {table} in the table'
        picture('4_clamp'); return f'{status()}; {lost:.0f} lost; {late:.2f} s after the mouse was let go'
    def more():
        old = number(status(), r'(\d+) features')
        b.click('.sib-groups option:nth-child(1)'); few = until(lambda: (n := number(status(), r'(\d+) features')) != old and n, 30, 'fewer features')
        assert 0 < few < old, f'one group has {few} features, four had {old}'
        return f'{old:.0f} features → {few:.0f}'
    def back():
        b.drag('.sib-strength .noUi-handle', 0., '.sib-strength .noUi-target')
        until(lambda: number(status(), r'set to −?([\d.]+) units') == 0, 30, 'the numbers follow back to 0')
        return status()
    def asked():
        b.drag('.sib-strength .noUi-handle', 1., '.sib-strength .noUi-target'); until(lambda: number(status(), r'set to −?([\d.]+) units') == 100, 30, 'the clamp is at 100')
        b.type('.sib-question input', 'What kind of thing is testis?'); b.key('Enter', 13)
        free = until(lambda: b.text('.sib-answer'), 20, 'a free answer')
        b.type('.sib-choices input', 'gland | herb | shrub | bovid'); b.key('Enter', 13)
        said = until(lambda: (t := b.text('.sib-answer')) != free and 'A. gland' in t and t, 20, 'the options get probabilities')
        p = [float(x) for x in re.findall(r'\d\.\d+', said)]; assert len(p) == 10 and all(abs(sum(p[i::2]) - 1) < .01 for i in (0, 1)), said
        picture('5_question'); return ' / '.join(' '.join(x.split()) for x in (free, said))
    def wrong():
        b.type('.sib-extra input', 'seven'); b.key('Enter', 13)
        return until(lambda: 'is no feature' in status() and status(), 10, 'a wrong feature is named')

    actions = dict(opened='opens in JupyterLab', ran='all cells run and the panels appear', group='another group: its texts and picture', training='the training slider, dragged',
                 clamp='the clamp, dragged', back='dragged back', more='one group instead of four', asked='a question of one\'s own', wrong='a wrong feature number is said, not raised')
    for f, name in actions.items():
        if not check(name, locals()[f]) and f in ('opened', 'ran'): picture('failed'); break
    return check


def menu(b, title, item):
    "Choose an item of one of JupyterLab's menus."
    def at(css, label):
        return b.js(f'(e => {{ if (!e) return null; const r = e.getBoundingClientRect(); return r.width ? [r.x + r.width/2, r.y + r.height/2] : null }})'
                    f'([...document.querySelectorAll("{css}")].find(e => e.innerText.trim() === {json.dumps(label)}))')
    def press(where): b.mouse('Moved', *where); b.mouse('Pressed', *where); b.mouse('Released', *where)
    for attempt in range(4):                         # a busy page may open a menu late, or not at all
        press(until(lambda: at('.lm-MenuBar-itemLabel', title), 30, f'the menu {title}'))
        try: where = until(lambda: at('.lm-Menu-itemLabel', item), 15, f'the menu item {item}'); break
        except AssertionError:
            if attempt == 3: raise
    time.sleep(.3); press(where)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--screenshots', type=Path, help='folder for pictures of every step')
    p.add_argument('--wait', type=float, default=600, help='seconds that JupyterLab may take to start, and the notebook to run (default: 600)')
    a = p.parse_args(argv)
    chrome = find_chrome()
    if a.screenshots: a.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        folder, port, b = Path(tmp), free_port(), None
        (folder/'nbs').mkdir(); (folder/'profile').mkdir(); copy_notebook('14_explorer.ipynb', folder/'nbs')
        lab = start_lab(folder, port)
        try:
            def up():
                if lab.poll() is not None: raise AssertionError(f'JupyterLab ended: {(folder/"lab.log").read_text()[-800:]}')
                try: return urllib.request.urlopen(f'http://127.0.0.1:{port}/api', timeout=5).status == 200
                except OSError: return False
            until(up, a.wait/PATIENCE, 'JupyterLab starts', .5)
            b = Browser(chrome, folder/'profile')
            print(f'{b.send("Browser.getVersion")["product"]} on JupyterLab at port {port}', flush=True)
            check = drive(b, f'http://127.0.0.1:{port}/lab/tree/14_explorer.ipynb', a.wait, a.screenshots)
        except AssertionError as e: sys.exit(f'browser-test: {e}')
        finally:
            if b: b.close()
            lab.terminate()
            try: lab.wait(60)
            except subprocess.TimeoutExpired: lab.kill()
    print(f'\n{check.passed} passed, {check.failed} failed')
    return int(check.failed > 0)


if __name__ == '__main__': sys.exit(main())
