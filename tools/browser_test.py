"""The explorer in a real JupyterLab, driven through a real, headless Chrome or Chromium.

Opens the first two cells of the explorer's notebook (the title and the call), runs them, turns
every control with mouse or keyboard, and reads what changes; looks at a narrow window and at a
dark theme; types markup; and opens the committed page without a kernel. Chrome is taken from the
environment variable CHROME, or found on the PATH.

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

NOTEBOOK = '07_figures/08_explorer.ipynb'
HANDLE = '.noUi-handle'
MOVE = 1.  # seconds that a move may take on an idle machine, times `PATIENCE`
TOO_WIDE = '''(all => [all, ...all.querySelectorAll('*')].filter(e => e.clientWidth > 1
    && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible'
    && !e.matches('select, input')).map(e => `${e.className}: ${e.scrollWidth} pixels in `
    + e.clientWidth))(document.querySelector('.sib-explorer').closest('.jp-OutputArea-output'))'''
HOSTILE = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1">'
VIEWS = {'answers': '.sib-by-domain', 'changed questions': '.sib-changed', 'your own': '.sib-error',
         'group': '.sib-group', 'latents': '.sib-latent', 'two SAEs': '.sib-pairs',
         'training': 'svg'}  # what is seen there


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def read_notebook(name: str) -> dict:
    return json.loads((NBS/name).read_text(encoding='utf-8'))


def copy_notebook(name: str, folder: Path):
    "The title and the first code cell, without outputs: whatever is seen was computed now."
    notebook = read_notebook(name)
    notebook['metadata'].pop('widgets', None)
    first = next(i for i, cell in enumerate(notebook['cells']) if cell['cell_type'] == 'code')
    notebook['cells'] = notebook['cells'][:first + 1]
    notebook['cells'][first].update(outputs=[], execution_count=None)
    path = folder/name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding='utf-8')


def committed_page(name: str) -> str:
    "The HTML that the first code cell left in the committed notebook."
    cells = [cell for cell in read_notebook(name)['cells'] if cell['cell_type'] == 'code']
    pages = [''.join(output['data']['text/html']) for output in cells[0]['outputs']
             if 'text/html' in output.get('data', {})]
    assert pages, f'the first code cell of {name} has no HTML output'
    return pages[0]


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
        if not passed:
            self.picture(f'failed_{self.n_failed}')
        return passed

    def run(self):
        needed = {'opens in JupyterLab': self.open,
                  'the first cell gives the explorer': self.run_all_cells}
        for name, step in needed.items():
            if not self.check(name, step):
                return
        self.check('the slider, by keyboard', self.move_slider)
        self.check('the switch, by keyboard', self.turn_switch)
        self.check('accuracy by domain, format and heading', self.choose_by)
        self.check('questions that changed', self.see_changed)
        self.check("a question of one's own", self.ask)
        self.check('the slider moves the answer', self.move_answer)
        self.check('a sentence', self.continue_sentence)
        self.check('markup is shown and not executed', self.type_markup)
        self.check('an error is one line', self.see_error)
        self.check('a latent from the list, and a related one', self.pick_latent)
        self.check('arrow keys in lists', self.use_arrow_keys)
        self.check('the whole group', self.see_group)
        self.check('latents by a word and by name', self.search)
        self.check('two SAEs side by side', self.compare)
        self.check('the training film', self.see_film)
        self.check('everything is reachable with Tab', self.tab_through)
        self.check('900 pixels wide', self.narrow)
        self.check('dark and light', self.change_theme)
        self.check('the committed page without a kernel', self.see_committed)

    # what is shown

    def status(self) -> str:
        return self.browser.text('.sib-status')

    def shown(self) -> str:
        return self.browser.text('.sib-shown')

    def open_view(self, name: str, marker: str):
        browser = self.browser
        button = browser.find_labelled('.sib-view button', name)
        browser.press(until(lambda: browser.box(button), 20, f'the button {name}'))
        until(lambda: browser.box(browser.find(f'.sib-shown {marker}')), 30, f'{name} appears')

    def focus(self, css: str):
        self.browser.evaluate(f'{self.browser.find(css)}.focus()')

    def select(self, css: str, place: int):
        "Choose an option of a list that opens outside the page: as the browser reports it."
        self.browser.evaluate(f"""(s => {{ s.selectedIndex = {place};
            s.dispatchEvent(new Event('change', {{bubbles: true}}));
            }})({self.browser.find(css + ' select')})""")

    def change_of(self, look, act, what: str) -> float:
        "Seconds until `look()` differs after `act()`; more than `MOVE` is a failure."
        old = look()
        act()
        began = time.monotonic()
        until(lambda: look() not in ('', old), 20, what, every=.02)
        seconds = time.monotonic() - began
        assert seconds < MOVE*PATIENCE, f'{what}: {seconds:.2f} s'
        return seconds

    # the steps

    def open(self):
        browser = self.browser
        n_cells = 'document.querySelectorAll(".jp-CodeCell").length'
        indicator = browser.find('.jp-Notebook-ExecutionIndicator')
        browser.send('Page.enable')
        browser.send('Page.navigate', url=self.url)
        until(lambda: browser.evaluate(f'{n_cells} > 0'), 180, 'the notebook opens')

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
            if self.browser.box(self.browser.find('.sib-explorer .sib-by-domain')):
                return True
            n_idle = 0 if self.is_running() else n_idle + 1
            if n_chosen == 0 or n_idle >= 10:
                assert n_chosen < 4, f'Run All Cells was chosen {n_chosen} times, and no cell ran'
                self.browser.choose('Run', 'Run All Cells')
                n_chosen += 1
                n_idle = 0
            return False

        until(is_done, self.wait/PATIENCE, 'the explorer appears', 1)
        self.picture('01_opened')
        return self.status()

    def move_slider(self):
        self.focus(f'.sib-degree {HANDLE}')
        words = []
        for key in ('ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'ArrowRight'):
            seconds = self.change_of(self.status, lambda: self.browser.key(key), 'the status')
            words.append(f'{seconds:.2f} s')
        assert '25% closed' in self.status(), self.status()
        return f'{self.status()}; {", ".join(words)} a move'

    def turn_switch(self):
        self.focus('.sib-switch')
        words = []
        for degree in ('0', '100'):
            seconds = self.change_of(self.status, lambda: self.browser.key(' '), 'the status')
            assert f'{degree}% closed' in self.status(), self.status()
            words.append(f'{seconds:.2f} s')
        return ', '.join(words)

    def choose_by(self):
        for by in ('format', 'heading', 'domain'):
            self.browser.press(self.browser.box(
                self.browser.find_labelled('.sib-by button', by)))
            until(lambda: self.browser.box(self.browser.find(f'.sib-shown .sib-by-{by}')), 20, by)
        return ' '.join(self.shown().split())[:120]

    def see_changed(self):
        self.open_view('changed questions', '.sib-changed')
        text = self.shown()
        assert '→' in text and '✓' in text, text[:200]
        seconds = self.change_of(self.shown, lambda: self.select('.sib-condition', 1), 'the questions')
        self.picture('02_changed')
        return f'{text.splitlines()[0]}; {seconds:.2f} s for another condition'

    def ask(self):
        browser = self.browser
        self.open_view('your own', '.sib-own')
        numbers = [float(n) for n in re.findall(r'\d\.\d{3}', browser.text('.sib-shown .sib-own'))]
        assert len(numbers) == 10, numbers
        for column in (numbers[::2], numbers[1::2]):
            assert abs(sum(column) - 1) < .01, numbers
        shaded = 'document.querySelectorAll(".sib-shown .sib-shading span[title]").length'
        assert browser.evaluate(shaded) > 0
        self.picture('03_own')
        words = self.change_of(self.shown, lambda: browser.enter(
            '.sib-question input', 'What kind of thing is testis?'), 'the answer')
        browser.enter('.sib-options input', ' ')
        until(lambda: 'answer' in browser.text('.sib-shown .sib-own'), 20, 'an answer in words')
        answer = ' '.join(browser.text('.sib-shown .sib-own').split())
        return f'{answer}; {words:.2f} s'

    def move_answer(self):
        self.focus(f'.sib-degree {HANDLE}')
        words = []
        for key in ('ArrowLeft', 'ArrowLeft', 'ArrowRight', 'ArrowRight'):
            look = lambda: self.browser.text('.sib-shown .sib-own th:nth-child(3)')
            seconds = self.change_of(look, lambda: self.browser.key(key), 'the answer')
            words.append(f'{seconds:.2f} s')
        return ', '.join(words)

    def continue_sentence(self):
        browser = self.browser
        browser.press(browser.box(browser.find_labelled('.sib-kind button', 'sentence')))
        seconds = self.change_of(self.shown, lambda: browser.enter(
            '.sib-question input', 'a wolf is a kind of'), 'the continuation')
        until(lambda: 'continuation' in browser.text('.sib-shown .sib-own'), 20, 'a continuation')
        self.picture('04_sentence')
        return f'{" ".join(browser.text(".sib-shown .sib-own").split())}; {seconds:.2f} s'

    def type_markup(self):
        browser = self.browser
        browser.enter('.sib-question input', HOSTILE)
        until(lambda: '<script>' in browser.text('.sib-shown .sib-shading'), 20, 'the markup')
        self.open_view('latents', '.sib-latent')
        browser.enter('.sib-search input', HOSTILE)
        until(lambda: '<script>' in browser.text('.sib-shown .sib-error'), 20, 'the markup')
        made = browser.evaluate('document.querySelectorAll(".sib-explorer script, .sib-explorer '
                                '.sib-shown img").length')
        assert made == 0, f'{made} elements were made from a text'
        assert browser.evaluate('window.hacked === undefined'), 'a text was executed'

    def see_error(self):
        self.open_view('your own', '.sib-own')
        self.browser.press(self.browser.box(
            self.browser.find_labelled('.sib-kind button', 'question')))
        self.browser.enter('.sib-options input', 'a | b')
        line = until(lambda: self.browser.text('.sib-shown .sib-error'), 20, 'an error')
        assert 'not four' in line and '\n' not in line.strip(), line
        return line

    def pick_latent(self):
        browser = self.browser
        self.open_view('latents', '.sib-error')  # the search for markup has found nothing
        browser.enter('.sib-search input', '')
        until(lambda: browser.box(browser.find('.sib-shown .sib-latent')), 20, 'a latent')
        seconds = self.change_of(self.shown, lambda: browser.click(
            '.sib-found option:nth-child(3)'), 'the latent')
        for part in ('domains', 'outputs', 'related', 'examples'):
            assert browser.box(browser.find(f'.sib-shown .sib-latent .sib-{part}')), part
        self.picture('05_latent')
        self.focus('.sib-related button')
        related = self.change_of(self.shown, lambda: browser.key(' '), 'the related latent')
        return f'{self.shown().splitlines()[0]}; {seconds:.2f} s, {related:.2f} s'

    def use_arrow_keys(self):
        "In an open list, and in one that is folded."
        browser = self.browser
        self.open_view('latents', '.sib-latent')
        self.focus('.sib-found select')
        below = self.change_of(self.shown, lambda: browser.key('ArrowDown'), 'the next latent')
        self.open_view('changed questions', '.sib-changed')
        self.focus('.sib-condition select')
        place = f'{browser.find(".sib-condition select")}.selectedIndex'
        before = browser.evaluate(place)
        browser.key('ArrowDown')
        until(lambda: browser.evaluate(place) == before + 1, 10, 'the next condition')
        return f'{below:.2f} s'

    def see_group(self):
        self.open_view('group', '.sib-group')
        assert self.browser.box(self.browser.find('.sib-group .sib-domains'))
        assert self.browser.box(self.browser.find('.sib-group .sib-examples'))
        self.picture('05_group')
        return ' '.join(self.shown().split())[:80]

    def search(self):
        browser = self.browser
        self.open_view('latents', '.sib-latent')
        seconds = self.change_of(self.shown, lambda: browser.enter('.sib-search input', 'bird'),
                                 'the latent')
        first = browser.evaluate('document.querySelector(".sib-found option").innerText')
        name = first.split(':')[0]
        number = 1 if name.endswith('/0') else 0
        wanted = f'{name.split("/")[0]}/{number}'
        browser.enter('.sib-latent input', wanted)
        until(lambda: f"explore(latent='{wanted}')" in self.shown(), 20, f'the link of {wanted}')
        return f'{first}; {seconds:.2f} s'

    def compare(self):
        self.open_view('two SAEs', '.sib-pairs')
        first = self.shown().splitlines()[0]
        self.select('.sib-two', 0)
        until(lambda: self.shown().splitlines()[0] != first, 30, 'another pair')
        self.picture('06_two')
        return f'{first} → {self.shown().splitlines()[0]}'

    def see_film(self):
        "The group's film, and that of a run: groups, information and removed knowledge."
        browser = self.browser
        self.open_view('training', 'svg')
        first = self.shown().splitlines()[0]
        options = f'[...{browser.find(".sib-film select")}.options]'
        place = browser.evaluate(f'{options}.findIndex(e => e.text.includes("accuracies"))')
        assert place >= 0, browser.evaluate(f'{options}.map(e => e.text)')
        self.select('.sib-film', place)
        until(lambda: 'groups; so far' in self.shown(), 20, 'the groups of a run')
        drawn = 'document.querySelectorAll(".sib-shown svg")'
        names = browser.evaluate(f'[...{drawn}].map(e => e.getAttribute("aria-label")).join("; ")')
        for what in ('features by groups', 'information between groups', 'answered right'):
            assert what in names, names
        self.focus(f'.sib-frame {HANDLE}')
        seconds = self.change_of(self.shown, lambda: browser.key('ArrowLeft'), 'the frame')
        self.picture('07_training')
        return f'{first} → {self.shown().splitlines()[0]}; {seconds:.2f} s'

    def tab_through(self):
        "Press Tab from the first control; every control of the view is reached."
        self.open_view('your own', '.sib-error')
        self.focus('.sib-choice select')
        reached = set()
        name = ('(e => { const p = e && e.closest("[class*=sib-]"); return p ? '
                '[...p.classList].find(c => c.startsWith("sib-")) : ""; })(document.activeElement)')
        for _ in range(30):
            reached.add(self.browser.evaluate(name))
            self.browser.key('Tab')
        wanted = {f'sib-{part}' for part in ('choice', 'switch', 'degree', 'view', 'kind',
                                             'question', 'options', 'subject')}
        assert wanted <= reached, f'not reached: {", ".join(sorted(wanted - reached))}'

    def narrow(self):
        browser = self.browser
        browser.send('Emulation.setDeviceMetricsOverride', width=900, height=1000,
                     deviceScaleFactor=1, mobile=False)
        try:
            time.sleep(1)
            for view, marker in VIEWS.items():
                self.open_view(view, marker)
                time.sleep(.5)
                wide = browser.evaluate(TOO_WIDE)
                assert not wide, f'{view}: {"; ".join(wide)}'
                self.picture(f'08_narrow_{view.replace(" ", "_")}')
        finally:
            browser.send('Emulation.clearDeviceMetricsOverride')

    def contrast(self) -> float:
        "Of the text in the view against what lies behind it, as WCAG defines it."
        return self.browser.evaluate("""(e => {
            const numbers = c => c.match(/[\\d.]+/g).map(Number);
            const light = c => { const [r, g, b] = numbers(c).slice(0, 3).map(v => { v /= 255;
                return v <= .03928 ? v/12.92 : ((v + .055)/1.055)**2.4; });
                return .2126*r + .7152*g + .0722*b; };
            const text = light(getComputedStyle(e).color);
            while (e && numbers(getComputedStyle(e).backgroundColor)[3] === 0) e = e.parentElement;
            const back = light(getComputedStyle(e || document.body).backgroundColor);
            return (Math.max(text, back) + .05)/(Math.min(text, back) + .05);
        })(document.querySelector('.sib-shown td'))""")

    def change_theme(self):
        browser = self.browser
        self.open_view('answers', '.sib-by-domain')
        found = {}
        for theme in ('JupyterLab Dark', 'JupyterLab Light'):
            command = json.dumps(dict(theme=theme))
            browser.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {command})"
                             " && 0")
            is_light = str(theme.endswith('Light')).lower()
            until(lambda: browser.evaluate('document.body.dataset.jpThemeLight') == is_light, 30, theme)
            time.sleep(1)
            found[theme] = self.contrast()
            self.picture(f'09_{theme.split()[1].lower()}')
            assert found[theme] >= 4.5, f'{theme}: contrast {found[theme]:.1f}'
        return ', '.join(f'{theme} {value:.1f}' for theme, value in found.items())

    def see_committed(self):
        browser = self.browser
        text = committed_page(NOTEBOOK)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)/'page.html'
            path.write_text(f'<!doctype html><meta charset=utf-8>{text}', encoding='utf-8')
            browser.send('Page.navigate', url=path.as_uri())
            tabs = 'details[name=sib-page]'
            is_loaded = f'location.href === "{path.as_uri()}" && document.readyState === "complete"'
            until(lambda: browser.evaluate(is_loaded), 30, 'the page')
            browser.click('.sib-page > p')  # keys go to the page
            n_tabs = browser.evaluate(f'document.querySelectorAll("{tabs}").length')
            for place in range(1, n_tabs):
                browser.evaluate(f'document.querySelectorAll("{tabs} > summary")[{place}].focus()')
                browser.key(' ')
                opened = f'[...document.querySelectorAll("{tabs}")].map(e => +e.open)'
                wanted = [int(i == place) for i in range(n_tabs)]
                until(lambda: browser.evaluate(opened) == wanted, 10, f'tab {place} opens')
                self.picture(f'10_page_{place}')
            assert browser.evaluate('document.scripts.length') == 0
            linked = self.follow_link()
        return f'{n_tabs} tabs, {len(text)/1000:.0f} kB; {linked}'

    def follow_link(self) -> str:
        "A link to a latent opens its tab and its line."
        browser = self.browser
        entry = 'document.querySelectorAll(".sib-entry .sib-latent")'
        wanted = browser.evaluate(f'{entry}[{entry}.length - 1].id')
        n_latents = browser.evaluate(f'{entry}.length')
        browser.evaluate(f'location.hash = "{wanted}"')
        until(lambda: browser.box(browser.find(f'#{wanted} .sib-examples')), 10, wanted)
        self.picture('11_linked')
        return f'{n_latents} latents, #{wanted} opens'


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
