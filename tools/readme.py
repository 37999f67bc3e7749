"README.md from nbs/index.ipynb: hidden cells dropped, links seen from the root."
import posixpath
import re

from notebooks import NBS, ROOT, has_directive

README = ROOT/'README.md'
MAX_LINES = 150
FENCE = re.compile(r'(^```.*?^```[ ]*$)', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'(?P<before>\]\(|\bsrc="|\bhref=")(?P<target>[^\s)"]+)')


def is_local(target: str) -> bool:
    "Whether a link's target is a file of the repository."
    return not re.match(r'[a-z]+:|[#/]', target)


def seen_from_root(text: str) -> str:
    "Markdown of `nbs/` with its relative links rewritten for the root, but not in code blocks."
    def rewrite(match):
        target = match['target']
        if is_local(target):
            is_folder = target.endswith('/')
            target = posixpath.normpath(posixpath.join('nbs', target)) + '/'*is_folder
        return match['before'] + target

    parts = FENCE.split(text)  # every second part is a code block
    parts[::2] = [LINK.sub(rewrite, part) for part in parts[::2]]
    return ''.join(parts)


def show_result_only(cell):
    "Turn a cell marked `echo: false` into the Markdown that it displayed."
    shown = [output['data']['text/markdown'] for output in cell.outputs
             if 'text/markdown' in output.get('data', {})]
    cell.cell_type = 'markdown'
    cell.source = ''.join(shown)
    del cell['outputs'], cell['execution_count']


def readme() -> str:
    "The text that README.md should have."
    import nbformat
    from nbconvert import MarkdownExporter
    notebook = nbformat.read(NBS/'index.ipynb', as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not has_directive(cell.source, 'hide')]
    for cell in notebook.cells:
        if cell.source.startswith('#| echo: false'):
            show_result_only(cell)
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    text = seen_from_root(text)
    return re.sub(r'\n{3,}', '\n\n', text).strip() + '\n'


def python_examples(text: str) -> list:
    "The sources of the Python blocks."
    return re.findall(r'^```python\n(.*?)^```', text, re.MULTILINE | re.DOTALL)


def broken_links(text: str) -> list:
    "Targets of relative links that are not there."
    prose = ''.join(FENCE.split(text)[::2])
    targets = [match['target'].split('#')[0] for match in LINK.finditer(prose)
               if is_local(match['target'])]
    return sorted({target for target in targets if not (ROOT/target).exists()})


def write_readme():
    README.write_text(readme(), encoding='utf-8')
