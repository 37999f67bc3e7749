"""The explorer notebook in a real JupyterLab, driven through a real, headless Chrome or Chromium.

Opens a copy of the notebook, runs all cells from the menu, turns every kind of control with mouse
and keyboard, and reads the numbers that change. Chrome is taken from the environment variable
CHROME, or found on the PATH.

    python tools/browser_test.py [--screenshots FOLDER] [--wait SECONDS]
"""
import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser import PATIENCE, Browser, find_chrome, start_lab, until, wait_for_lab
from notebooks import NBS

NOTEBOOK = '07_figures/04_explorer.ipynb'
HANDLE = '.noUi-handle'
RAIL = '.noUi-target'


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def copy_notebook(name: str, folder: Path):
    "A copy without outputs, so that whatever is seen was computed now."
    notebook = json.loads((NBS/name).read_text(encoding='utf-8'))
    notebook['metadata'].pop('widgets', None)
    for cell in notebook['cells']:
        if cell['cell_type'] == 'code':
            cell['outputs'] = []
            cell['execution_count'] = None
    path = folder/name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding='utf-8')


def find_number(text: str, pattern: str):
    match = re.search(pattern, text)
    return float(match[1]) if match else None


class ExplorerTest:
    "Everything that a person would do, in order. Each step returns what it saw, or asserts."
    def __init__(self, browser: Browser, url: str, wait: float, screenshots: Path = None):
        self.browser = browser
        self.url = url
        self.wait = wait
        self.screenshots = screenshots
        self.n_passed = 0
        self.n_failed = 0

    def picture(self, name: str):
        if self.screenshots:
            self.browser.save_picture(self.screenshots/f'{name}.png')

    def check(self, name: str, step) -> bool:
        began = time.monotonic()
        try:
            said = step()
            passed = True
        except AssertionError as error:
            said = str(error)
            passed = False
        self.n_passed += passed
        self.n_failed += not passed
        line = f'{"passed" if passed else "FAILED"}  {name} ({time.monotonic() - began:.1f} s)'
        print(f'{line}: {said}' if said else line, flush=True)
        return passed

    def run(self):
        needed = {'opens in JupyterLab': self.open,
                  'all cells run and the panels appear': self.run_all_cells}
        for name, step in needed.items():
            if not self.check(name, step):
                self.picture('failed')
                return
        self.check('another group: its texts and picture', self.choose_group)
        self.check('the training slider, dragged', self.drag_training)
        self.check('the clamp, dragged', self.drag_clamp)
        self.check('dragged back', self.drag_back)
        self.check('one group instead of four', self.choose_one_group)
        self.check("a question of one's own", self.ask)
        self.check('a wrong feature number is said, not raised', self.enter_wrong_feature)

    # what the panels show

    def status(self) -> str:
        return self.browser.text('.sib-status')

    def clamp_strength(self):
        return find_number(self.status(), r'set to −?([\d.]+) units')

    def drag_slider(self, css: str, fraction: float):
        self.browser.drag(f'{css} {HANDLE}', fraction, f'{css} {RAIL}')

    def wait_for_strength(self, strength: float, every=.1):
        until(lambda: self.clamp_strength() == strength, 30,
              f'the numbers follow the slider to {strength:.0f}', every)

    def open_tab(self, number: int):
        self.browser.click(f'.widget-tab .lm-TabBar-tab:nth-child({number})')

    # the steps

    def open(self):
        browser = self.browser
        n_cells = 'document.querySelectorAll(".jp-CodeCell").length'
        indicator = browser.find('.jp-Notebook-ExecutionIndicator')
        browser.send('Page.enable')
        browser.send('Page.navigate', url=self.url)
        until(lambda: browser.evaluate(f'{n_cells} > 10'), 180, 'the notebook opens')

        def is_idle():
            if browser.box(browser.find('.jp-Dialog .jp-mod-accept')):
                browser.click('.jp-Dialog .jp-mod-accept')  # which kernel? the one on offer
            return browser.evaluate(f'({indicator} || {{dataset: {{}}}}).dataset.status') == 'idle'

        until(is_idle, 180, 'the kernel starts', .5)

    def visible_error(self) -> str:
        texts = '[...document.querySelectorAll(".jp-OutputArea-output")].map(e => e.innerText)'
        errors = f'{texts}.filter(t => t.includes("Traceback"))'
        return self.browser.evaluate(f'{errors}.join(" ").slice(-300)')

    def is_running(self) -> bool:
        "Whether a cell has been run, or waits to be."
        prompts = '[...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")]'
        shown = self.browser.evaluate(f'{prompts}.map(e => e.innerText).join("")')
        return bool(re.search(r'[*\d]', shown))

    def run_all_cells(self):
        "A kernel that has just started may swallow the first command, cells and all."
        n_idle = 0
        n_chosen = 0

        def is_done():
            nonlocal n_idle, n_chosen
            error = self.visible_error()
            assert not error, error
            if self.browser.box(self.browser.find('.sib-group select')):
                return True
            n_idle = 0 if self.is_running() else n_idle + 1
            if n_chosen == 0 or n_idle >= 10:
                assert n_chosen < 4, f'Run All Cells was chosen {n_chosen} times, and no cell ran'
                self.browser.choose('Run', 'Run All Cells')
                n_chosen += 1
                n_idle = 0
            return False

        until(is_done, self.wait/PATIENCE, 'the panels appear', 1)

    def choose_group(self):
        browser = self.browser
        texts = '.widget-tab .sib-texts'
        old_texts = until(lambda: browser.text(texts), 20, 'the texts appear')
        old_picture = browser.source('.sib-make')
        browser.click('.sib-group option:nth-child(3)')
        until(lambda: browser.text(texts) != old_texts, 20, 'the texts change')
        until(lambda: browser.source('.sib-make') != old_picture, 20, 'the picture changes')
        self.picture('2_group')
        select = browser.find('.sib-group select')
        return browser.evaluate(f'(s => s.options[s.selectedIndex].text)({select})')

    def drag_training(self):
        browser = self.browser
        readout = '.sib-step .widget-readout'
        self.open_tab(2)
        old = until(lambda: browser.text('.sib-counts'), 20, 'the training panel appears')
        first = browser.text(readout)
        self.drag_slider('.sib-step', 1.)
        until(lambda: browser.text(readout) not in ('', first), 10, 'the slider moves')
        last = browser.text(readout)
        until(lambda: browser.text('.sib-counts').startswith(f'step {last}:'), 20,
              f'the counts follow to step {last}')
        self.picture('3_training')
        return f'{old} → {browser.text(".sib-counts")}'

    def drag_clamp(self):
        browser = self.browser
        self.open_tab(3)
        until(self.status, 20, 'the unlearning panel appears')
        old_table = browser.text('.sib-kept')
        old_picture = browser.source('.sib-tradeoff')
        assert self.clamp_strength() == 0, self.status()
        self.drag_slider('.sib-strength', .8)
        released = time.monotonic()

        def shown():
            return find_number(browser.text('.sib-strength .widget-readout'), r'([\d.]+)')

        strength = until(shown, 5, 'the slider shows a number')
        assert 70 <= strength <= 90, f'dragged to .8 of 0 to 100, the slider says {strength}'
        self.wait_for_strength(strength, every=.02)
        delay = time.monotonic() - released
        until(lambda: browser.text('.sib-kept') != old_table, 10, 'the table changes')
        until(lambda: browser.source('.sib-tradeoff') != old_picture, 10, 'the picture changes')
        n_lost = self.check_lost()
        self.picture('4_clamp')
        return f'{self.status()}; {n_lost:.0f} lost; {delay:.2f} s after the mouse was let go'

    def check_lost(self) -> float:
        "The lost questions: as many in the list as in the table."
        listed = find_number(self.browser.text('.sib-lost'), r'(\d+) questions lost')
        rows = self.browser.text('.sib-kept').splitlines()[1:]
        in_table = sum(int(row.split()[4]) for row in rows)
        assert listed == in_table > 0, f'{listed} questions listed as lost, {in_table} in the table'
        return listed

    def drag_back(self):
        self.drag_slider('.sib-strength', 0.)
        self.wait_for_strength(0)
        return self.status()

    def choose_one_group(self):
        def n_features():
            return find_number(self.status(), r'(\d+) features')

        old = n_features()
        self.browser.click('.sib-groups option:nth-child(1)')
        until(lambda: n_features() not in (None, old), 30, 'the number of features changes')
        new = n_features()
        assert 0 < new < old, f'one group has {new} features, four had {old}'
        return f'{old:.0f} features → {new:.0f}'

    def ask(self):
        browser = self.browser
        self.drag_slider('.sib-strength', 1.)
        self.wait_for_strength(100)
        browser.enter('.sib-question input', 'What kind of thing is testis?')
        free = until(lambda: browser.text('.sib-answer'), 20, 'a free answer')
        browser.enter('.sib-choices input', 'gland | herb | shrub | bovid')

        def has_options():
            text = browser.text('.sib-answer')
            return text != free and 'A. gland' in text

        until(has_options, 20, 'the options get probabilities')
        answer = browser.text('.sib-answer')
        numbers = [float(number) for number in re.findall(r'\d\.\d+', answer)]
        assert len(numbers) == 10, answer  # four options and all else, without and with the clamp
        for column in (numbers[::2], numbers[1::2]):
            assert abs(sum(column) - 1) < .01, answer
        self.picture('5_question')
        return ' / '.join(' '.join(text.split()) for text in (free, answer))

    def enter_wrong_feature(self):
        self.browser.enter('.sib-extra input', 'seven')
        until(lambda: 'is no feature' in self.status(), 10, 'a wrong feature is named')
        return self.status()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--screenshots', type=Path, help='folder for pictures of every step')
    parser.add_argument('--wait', type=float, default=600,
                        help='seconds that JupyterLab may take to start, and the notebook to run')
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    options = parse(arguments)
    chrome = find_chrome()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        profile = folder/'profile'
        profile.mkdir()
        copy_notebook(NOTEBOOK, folder/'nbs')
        port = free_port()
        browser = None
        lab = start_lab(folder, port)
        try:
            wait_for_lab(lab, folder, port, options.wait/PATIENCE)
            browser = Browser(chrome, profile)
            version = browser.send('Browser.getVersion')['product']
            print(f'{version} on JupyterLab at port {port}', flush=True)
            url = f'http://127.0.0.1:{port}/lab/tree/{NOTEBOOK}'
            test = ExplorerTest(browser, url, options.wait, options.screenshots)
            test.run()
        except AssertionError as error:
            sys.exit(f'browser-test: {error}')
        finally:
            if browser:
                browser.close()
            lab.terminate()
            try:
                lab.wait(60)
            except subprocess.TimeoutExpired:
                lab.kill()
    print(f'\n{test.n_passed} passed, {test.n_failed} failed')
    return int(test.n_failed > 0)


if __name__ == '__main__':
    sys.exit(main())
