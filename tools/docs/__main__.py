"""Builds the site, offline, from the notebooks with their stored outputs: `python tools/docs`.

1. pages for Sphinx are written to build/docs/: notebooks without their plumbing, an index page
   for each chapter, and the API reference of each module
2. Sphinx renders them, and the site goes to _docs/
3. broken links, and anything that a page would read from a network, are listed and fail the build

`python tools/docs check` does the last step alone, `python tools/docs pages` the first, without
Sphinx: it lists what cannot be read and links that lead nowhere.
"""
import posixpath
import re
import shutil
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]
import check
import pages
import reference
from chapters import CHAPTERS, NBS, ROOT, unknown_folders

BUILD = ROOT/'build'/'docs'
SITE = ROOT/'_docs'
CONFIG = Path(__file__).resolve().parent


def toctree(entries: list, caption: str = '') -> str:
    "A hidden table of contents in Markdown."
    options = [':hidden:'] + [f':caption: {caption}']*bool(caption)
    return '\n'.join(['```{toctree}', *options, '', *entries, '```'])


def label(chapter, path: Path) -> str:
    "A notebook's number and title, as in `3.1 The sparse autoencoder`."
    title, _ = pages.title_and_description(path)
    numbers = [chapter.number] if chapter.number else []
    first = path.stem.split('_')[0]
    if numbers and first.isdigit():
        numbers.append(str(int(first)))
    return ' '.join(['.'.join(numbers), title]).strip()


def notebook_list(chapter, paths: list) -> list:
    "A list of notebooks with the line that describes each."
    items = []
    for path in paths:
        _, description = pages.title_and_description(path)
        target = posixpath.relpath(path.relative_to(NBS).as_posix(), chapter.folder or '.')
        items.append(f'- [{label(chapter, path)}]({target})  \n  {description}')
    return items


def chapter_page(chapter) -> str:
    "The index page of a chapter."
    optional = [path for path in chapter.paths if chapter.is_optional(path)]
    main = [path for path in chapter.paths if path not in optional]
    title = f'{chapter.number} {chapter.title}'.strip()
    parts = [f'# {title}', chapter.about, *notebook_list(chapter, main)]
    if optional:
        parts += ['## What makes things fast or large', 'Can be skipped on first reading.',
                  *notebook_list(chapter, optional)]
    entries = [f'{label(chapter, path)} <{path.stem}>' for path in main + optional]
    return '\n\n'.join([*parts, toctree(entries)]) + '\n'


def module_entries(chapter) -> list:
    "The modules that a chapter's notebooks export, with the notebook of each."
    found = [(pages.exported_module(pages.read_notebook(path)), path) for path in chapter.paths]
    return [(module, path) for module, path in found if module]


def write_reference(stage, modules: dict):
    "One page a module, and an index by chapter."
    classes = reference.public_classes(list(modules.values()))
    lines = [reference.heading('API reference', '='),
             reference.offered_names(stage.names),
             'Modules by chapter, and an :ref:`index of all names <genindex>`.', '']
    entries = []
    for chapter in CHAPTERS:
        found = module_entries(chapter)
        if found:
            lines += [reference.heading(f'{chapter.number} {chapter.title}'.strip(), '-')]
        for name, path in found:
            module, full = modules[name], f'{reference.PACKAGE}.{name}'
            origin = f'Written, explained and tested in :doc:`/{page_name(path)}`.'
            stage.write(f'api/{full}.rst',
                        reference.module_page(module, origin, classes, stage.names))
            summary = (module.__doc__ or '').strip().split('\n')[0]
            lines += [f':doc:`{full}`', f'   {reference.to_rst(summary, stage.names)}', '']
            entries.append(f'   {name} <{full}>')
    lines += ['.. toctree::', '   :hidden:', '', *entries, '']
    stage.write('api/index.rst', '\n'.join(lines))


def page_name(path: Path) -> str:
    return path.relative_to(NBS).with_suffix('').as_posix()


def write_front_page(stage):
    "The front page, which has the contents of the whole site."
    numbered = [chapter for chapter in CHAPTERS if chapter.paths]
    chapters = []
    for chapter in numbered:
        if chapter.folder:
            chapters.append(f'{chapter.folder}/index')
        else:
            chapters += [f'{label(chapter, path)} <{path.stem}>' for path in chapter.paths]
    project = ['api/index', 'Changes <CHANGELOG>', 'Contributing <CONTRIBUTING>']
    after = '\n\n'.join([toctree(chapters, 'Chapters'), toctree(project, 'Reference')])
    stage.notebook(NBS/'index.ipynb', after)


def write_pages() -> tuple:
    "All that Sphinx reads; returns the names that text may link to, and a line for each problem."
    names = [name for chapter in CHAPTERS for name, _ in module_entries(chapter)]
    modules = {name: reference.import_module(name) for name in names}
    reference.use_builtin_classmethods(reference.public_classes(list(modules.values())))
    reference.use_written_signatures(list(modules.values()))
    stage = pages.Stage(BUILD/'pages', reference.targets(list(modules.values())))
    for chapter in CHAPTERS:
        for path in chapter.paths:
            stage.notebook(path)
        if chapter.folder and chapter.paths:
            stage.write(f'{chapter.folder}/index.md', chapter_page(chapter))
    for name in ('CHANGELOG.md', 'CONTRIBUTING.md'):
        text = (ROOT/name).read_text(encoding='utf-8')
        stage.write(name, stage.markdown(text, name, name, seen=set()))
    write_front_page(stage)
    write_reference(stage, modules)
    problems = [f'nbs/{folder}: add it to tools/docs/chapters.py' for folder in unknown_folders()]
    problems += stage.problems + reference.signature_problems(list(modules.values()))
    return stage.names, problems


def render(names: dict) -> list:
    "Run Sphinx and put the site in place; returns Sphinx's warnings."
    from sphinx.application import Sphinx
    log = BUILD/'warnings.txt'
    with log.open('w', encoding='utf-8') as file:
        app = Sphinx(srcdir=BUILD/'pages', confdir=CONFIG, outdir=BUILD/'html',
                     doctreedir=BUILD/'doctrees', buildername='html', status=None, warning=file,
                     confoverrides={'reference_targets': names}, freshenv=True)
        app.build(force_all=True)
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(BUILD/'html', SITE)
    return [readable(line) for line in log.read_text(encoding='utf-8').splitlines()]


def readable(warning: str) -> str:
    "A warning without colours, with the number of the cell (as shown) that it is about."
    plain = re.sub(r'\x1b\[[\d;]*m', '', warning).replace(f'{BUILD}/pages/', '')
    return re.sub(r'\.ipynb:(\d+)\d{4}:', r'.ipynb, cell \1:', plain)


def main(arguments) -> int:
    start, problems = time.time(), []
    if arguments != ['check']:
        names, problems = write_pages()
    if not arguments:
        warnings = render(names)
        print('\n'.join(warnings))
        print(f'{len(warnings)} lines of warnings, {time.time() - start:.0f} s')
    if arguments != ['pages']:
        problems += check.problems(SITE)
    print('\n'.join(problems))
    print(f'{len(problems)} problems in {BUILD if arguments == ["pages"] else SITE/"index.html"}')
    return int(bool(problems))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
