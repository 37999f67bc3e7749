"Notebooks as the site shows them: plumbing dropped, directives stripped, links seen from the site."
import ast
import json
import posixpath
import re
import shutil
from pathlib import Path

from chapters import NBS, ROOT

MAX_IMPORT_LINES = 3  # longer cells of imports are folded
PAGES = {'README.md': 'index.ipynb', 'API.md': 'api/index.rst',
         'CHANGELOG.md': 'CHANGELOG.md', 'CONTRIBUTING.md': 'CONTRIBUTING.md'}
CODE = re.compile(r'(^```.*?^```[ ]*$|`[^`\n]+`)', re.MULTILINE | re.DOTALL)
PLACE_LINK = re.compile(r'<a href="#(?P<place>[^"]+)"[^>]*>(?P<text>.*?)</a>', re.DOTALL)
LINK = re.compile(r'(?P<before>\]\(|\bsrc="|\bhref=")(?P<target>[^\s)"]+)')


def read_notebook(path: Path) -> dict:
    "A notebook, the source of each cell as one string."
    notebook = json.loads(path.read_text(encoding='utf-8'))
    for cell in notebook['cells']:
        cell['source'] = ''.join(cell['source'])
    return notebook


def title_and_description(path: Path) -> tuple:
    "The heading and the `>` line of a notebook's first cell."
    lines = read_notebook(path)['cells'][0]['source'].splitlines()
    titles = [line[2:] for line in lines if line.startswith('# ')]
    quotes = [line[2:] for line in lines if line.startswith('> ')]
    return (titles or [path.stem])[0].strip(), ' '.join(quotes).strip()


def exported_module(notebook: dict) -> str:
    "The module that a notebook exports, as in `sae.adaptive_groups`; empty if it exports none."
    for cell in notebook['cells']:
        found = re.search(r'^#\|\s*default_exp\s+(\S+)', cell['source'], re.MULTILINE)
        if cell['cell_type'] == 'code' and found:
            return found[1]
    return ''


def split_directives(source: str) -> tuple:
    "The directives at the head of a cell as a dict, and the rest of the cell."
    directives, lines = {}, source.splitlines()
    while lines and lines[0].startswith('#|'):
        name, _, value = lines.pop(0)[2:].strip().partition(' ')
        directives[name.rstrip(':')] = value.strip()
    return directives, '\n'.join(lines).strip('\n')


def is_plumbing(directives: dict, source: str) -> bool:
    "Whether a code cell serves nbdev alone."
    is_hidden = bool(directives.keys() & {'default_exp', 'hide'}) \
        or directives.get('include') == 'false'
    return is_hidden or 'nbdev_export(' in source or not source.strip()


def is_import_cell(source: str) -> bool:
    "Whether a cell does nothing but import."
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a shell or magic command
        return False
    return all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in statements)


def shown_outputs(outputs: list) -> list:
    "Without progress bars and other controls, which need a running kernel."
    widget = 'application/vnd.jupyter.widget-view+json'
    return [output for output in outputs if widget not in output.get('data', {})]


def patched_class(function) -> str:
    "The class that `@patch` adds a function to; empty for other statements."
    decorators = [ast.unparse(node) for node in getattr(function, 'decorator_list', [])]
    if not any(re.match(r'patch\b', decorator) for decorator in decorators):
        return ''
    return ast.unparse(function.args.args[0].annotation)


def defined_names(source: str) -> list:
    "Names of the functions, methods (`SAE.load`), classes and constants that a cell defines."
    names = []
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            prefix = patched_class(statement)
            names.append(f'{prefix}.{statement.name}' if prefix else statement.name)
    return names


def exported_cells(notebook: dict):
    "The sources of the cells that go into the module."
    for cell in notebook['cells']:
        directives, source = split_directives(cell['source'])
        if cell['cell_type'] == 'code' and 'export' in directives:
            yield source


def markdown_cell(source: str) -> dict:
    return {'cell_type': 'markdown', 'metadata': {}, 'source': source}


def anchor_cell(names: list) -> dict:
    "Places that the API reference links to."
    return markdown_cell(''.join(f'<span id="def-{name}"></span>' for name in names))


def shown_code(cell: dict) -> list:
    "A code cell as the site shows it: no cell, one, or two (with places to link to)."
    directives, source = split_directives(cell['source'])
    if is_plumbing(directives, source):
        return []
    tags = []
    if directives.get('echo') == 'false':
        tags.append('remove-input')
    elif is_import_cell(source) and len(source.splitlines()) > MAX_IMPORT_LINES:
        tags.append('hide-input')
    shown = {**cell, 'source': source, 'outputs': shown_outputs(cell['outputs']),
             'metadata': {'tags': tags}}
    names = defined_names(source) if 'export' in directives else []
    return [anchor_cell(names), shown] if names else [shown]


class Stage:
    "The folder of pages that Sphinx reads."

    def __init__(self,
                 folder: Path,  # emptied first
                 names: dict,  # names that prose links to the API reference: their full names
                ):
        self.folder = folder
        self.names = names
        self.problems = []  # links that lead nowhere
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def write(self, name: str, text: str):
        target = self.folder/name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding='utf-8')

    def page_of(self, path: str) -> str:
        "Where the site has a file of the repository; files that are no pages are copied."
        if path in PAGES:
            return PAGES[path]
        is_file = (ROOT/path).is_file()
        if is_file and path.startswith('nbs/') and path.endswith('.ipynb'):
            return path.removeprefix('nbs/')
        if is_file and path.startswith('sib_nb/') and path.endswith('.py'):
            return f'api/{path.removesuffix(".py").replace("/", ".")}.rst'
        if is_file:
            target = self.folder/'files'/path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT/path, target)
            return f'files/{path}'
        return ''

    def link(self, target: str, source: str, page: str) -> str:
        "A relative link of the file `source`, as the page `page` has it."
        if target.startswith('#'):  # Jupyter and the site name the headings of a page differently
            self.problems.append(f'{source}: link to {target}; name the section in words')
        if re.match(r'[a-z]+:|[#/]', target):
            return target
        path, hash_mark, fragment = target.partition('#')
        found = self.page_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if not found:
            self.problems.append(f'{source}: link to {target}, which is not there')
            return target
        return posixpath.relpath(found, posixpath.dirname(page) or '.') + hash_mark + fragment

    def markdown(self, text: str, source: str, page: str, seen: set) -> str:
        "Markdown with its links rewritten, and names linked that are not in `seen` yet."
        def rewrite(match):
            return match['before'] + self.link(match['target'], source, page)

        parts = CODE.split(text)  # every second part is code
        for i, part in enumerate(parts):
            if i % 2 == 0:
                parts[i] = LINK.sub(rewrite, part)
            elif is_running_text(parts[i - 1]):
                parts[i] = self.linked_name(part, seen)
        return ''.join(parts)

    def linked_name(self, code: str, seen: set) -> str:
        "Code in prose, linked to the API reference at its first mention."
        name = code.strip('`').removesuffix('()')
        if name not in self.names or name in seen:
            return code
        seen.add(name)
        return f'{{py:obj}}`{name} <{self.names[name]}>`'

    def rewrite_outputs(self, cell: dict, page: str, seen: set):
        "Rewrite the links in what a cell displayed as Markdown."
        for output in cell['outputs']:
            data = output.get('data', {})
            if 'text/markdown' in data:
                text = ''.join(data['text/markdown'])
                data['text/markdown'] = self.markdown(text, f'nbs/{page}', page, seen)
            if 'text/html' in data:
                data['text/html'] = without_dead_links(''.join(data['text/html']))

    def notebook(self, path: Path, after: str = ''):
        "Write the page of a notebook; `after` is Markdown put at its end."
        notebook = read_notebook(path)
        page = path.relative_to(NBS).as_posix()
        cells, seen = [], set()
        for cell in notebook['cells']:
            if cell['cell_type'] == 'code':
                self.rewrite_outputs(cell, page, seen)
                cells += shown_code(cell)
            else:
                cell['source'] = self.markdown(cell['source'], f'nbs/{page}', page, seen)
                cells.append(cell)
        if page != 'index.ipynb':
            add_origin(cells[0], exported_module(notebook), page)
        if after:
            cells.append(markdown_cell(after))
        language = {'name': 'python', 'pygments_lexer': 'ipython3'}
        shown = {'cells': cells, 'metadata': {'language_info': language},
                 'nbformat': 4, 'nbformat_minor': 4}
        self.write(page, json.dumps(shown))


def without_dead_links(html: str) -> str:
    "HTML of one output: links to places that it does not have become their text."
    def rewrite(match):
        return match[0] if f'id="{match["place"]}"' in html else match['text']

    return PLACE_LINK.sub(rewrite, html)


def is_running_text(before: str) -> bool:
    "Whether code that follows `before` stands in neither a heading nor a link."
    line = before.rpartition('\n')[2]
    return not line.startswith('#') and not before.endswith('[')


def add_origin(first_cell: dict, module: str, page: str):
    "Below the title and its `>` line: the notebook's file, and the module that it exports."
    text = f'`nbs/{page}`'
    if module:
        reference = posixpath.relpath(f'api/sib_nb.{module}.rst', posixpath.dirname(page) or '.')
        text += f' exports [`sib_nb.{module}`]({reference})'
    head = re.match(r'# .*\n*(?:>.*\n?)*', first_cell['source'])
    if head:
        rest = first_cell['source'][head.end():]
        box = f'```{{container}} origin\n{text}\n```'
        first_cell['source'] = f'{head[0].rstrip()}\n\n{box}\n\n{rest}'
