"Configuration of Sphinx: nothing is executed, nothing is read from a network."
import configparser
import inspect
import shutil
import sys
from functools import partial
from importlib.metadata import files
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]
import pages
import reference
from chapters import NBS, ROOT, all_paths

sys.path[:0] = [str(ROOT)]
settings = configparser.ConfigParser()
settings.read(ROOT/'settings.ini', encoding='utf-8')

project = settings['DEFAULT']['title']
author = settings['DEFAULT']['author']
copyright = settings['DEFAULT']['copyright']
release = version = settings['DEFAULT']['version']
language = 'en'

extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.linkcode', 'sphinx.ext.mathjax']
source_suffix = {'.ipynb': 'myst-nb', '.md': 'myst-nb', '.rst': 'restructuredtext'}
root_doc = 'index'

# broken links are found by the check of the built site
suppress_warnings = ['myst.xref_missing', 'toc.not_included']

# notebooks
nb_execution_mode = 'off'
nb_merge_streams = True
nb_render_markdown_format = 'myst'
nb_ipywidgets_js = {}  # the default is a script from a network
nb_code_prompt_show = 'Imports'
nb_code_prompt_hide = 'Imports'
myst_enable_extensions = ['dollarmath', 'amsmath', 'html_image', 'strikethrough']
myst_heading_anchors = 4
myst_links_external_new_tab = False

# mathematics: MathJax 3 from the package sphinx-mathjax-offline
mathjax_path = 'mathjax/tex-chtml-full.js'
mathjax3_config = {'options': {'enableMenu': False}}

# reference
autodoc_preserve_defaults = True
autodoc_typehints_format = 'short'
add_module_names = False
smartquotes = False  # options such as --list are copied
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = 'hide'

# look
html_theme = 'sphinx_book_theme'
html_title = project
html_static_path = [str(Path(__file__).resolve().parent/'static')]
html_css_files = ['site.css']
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    'use_download_button': False,
    'use_fullscreen_button': False,
    'home_page_in_toc': True,
    'navbar_persistent': [],  # the search is in the sidebar
    'show_navbar_depth': 1,
    'show_toc_level': 2,
}


def defining_cells() -> dict:
    "(module, name) to the place in a notebook that defines it."
    cells = {}
    for path in all_paths():
        notebook = pages.read_notebook(path)
        module = f'{reference.PACKAGE}.{pages.exported_module(notebook)}'
        page = path.relative_to(NBS).with_suffix('.html').as_posix()
        for source in pages.exported_cells(notebook):
            for name in pages.defined_names(source):
                cells[module, name] = f'../{page}#def-{name}'
    return cells


CELLS = defining_cells()


def linkcode_resolve(domain, info):
    "The [source] link of an entry leads to the cell of the notebook."
    module, name = info['module'], info['fullname']
    added = [place for (_, other), place in CELLS.items() if other == name and '.' in name]
    own_class = CELLS.get((module, name.split('.')[0]))
    return CELLS.get((module, name)) or (added[0] if added else own_class)


def written_docstring(value, lines: list) -> list:
    "The docstring as it was written: Python and `sib_nb.docstrings` add signature and parameters."
    if 'Parameters:' in lines:
        lines = lines[:lines.index('Parameters:')]
    is_made = reference.has_fields(value) and ''.join(lines[:1]).startswith(f'{value.__name__}(')
    return [] if is_made else lines


def add_docments(app, what, name, value, options, lines):
    "Autodoc's hook: Markdown becomes reStructuredText, and docments become a list of fields."
    to_rst = partial(reference.to_rst, names=app.config.reference_targets)
    lines[:] = [to_rst(line) for line in written_docstring(value, lines)]
    if what in ('function', 'method', 'class'):
        lines += ['', *reference.field_list(value, to_rst), '']


def hide_fields(app, what, name, value, options, signature, returned):
    "No signature for dataclasses and named tuples: their fields are listed below."
    return ('', None) if reference.has_fields(value) else None


def copy_mathjax(app, error):
    "The one script that renders all of TeX, and its fonts."
    if error is not None:
        return
    for file in files('sphinx-mathjax-offline'):
        _, found, name = file.as_posix().partition('/static/mathjax/')
        if found and (name == 'tex-chtml-full.js' or name.endswith('.woff')):
            target = Path(app.outdir)/'_static'/'mathjax'/name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)


def setup(app):
    app.add_config_value('reference_targets', {}, '')
    app.connect('autodoc-process-docstring', add_docments)
    app.connect('autodoc-process-signature', hide_fields)
    app.connect('build-finished', copy_mathjax)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
