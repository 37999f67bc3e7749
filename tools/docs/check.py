"Looks for broken links in the built site, and for anything that would be read from a network."
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LINKS = {('a', 'href')}
RESOURCES = {('script', 'src'), ('img', 'src'), ('link', 'href'), ('source', 'src'),
             ('iframe', 'src'), ('object', 'data'), ('video', 'src'), ('audio', 'src')}
CSS_URL = re.compile(r'url\(\s*[\'"]?([^\'")]+)|@import\s+[\'"]([^\'"]+)')


class Page(HTMLParser):
    "The anchors of a page and what it refers to."

    def __init__(self, path: Path):
        super().__init__()
        self.anchors = set()
        self.links = []
        self.resources = []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            value = value or ''
            if name == 'id' or (tag, name) == ('a', 'name'):
                self.anchors.add(value)
            elif (tag, name) in LINKS:
                self.links.append(value)
            elif (tag, name) in RESOURCES:
                self.resources.append(value)


def is_remote(target: str) -> bool:
    return target.startswith('//') or urlsplit(target).scheme in ('http', 'https')


def is_internal(target: str) -> bool:
    return not urlsplit(target).scheme and not target.startswith('//')


def broken(target: str, path: Path, pages: dict) -> bool:
    "Whether an internal link leads nowhere."
    parts = urlsplit(target)
    file = (path.parent/unquote(parts.path)).resolve() if parts.path else path
    if not file.is_file():
        return True
    fragment = unquote(parts.fragment)
    is_known = file not in pages or not fragment or fragment in pages[file].anchors
    return not is_known


def page_problems(path: Path, pages: dict, folder: Path) -> list:
    page, name = pages[path], path.relative_to(folder).as_posix()
    problems = [f'{name}: broken link to {target}' for target in page.links + page.resources
                if is_internal(target) and target != '#' and broken(target, path, pages)]
    problems += [f'{name}: reads {target} from a network' for target in page.resources
                 if is_remote(target)]
    return problems


def style_problems(path: Path, folder: Path) -> list:
    targets = [first or second for first, second in CSS_URL.findall(path.read_text('utf-8'))]
    name = path.relative_to(folder).as_posix()
    return [f'{name}: reads {target} from a network' for target in targets if is_remote(target)]


def problems(folder: Path) -> list:
    "One line for each broken link and each resource from a network."
    folder = folder.resolve()
    pages = {path: Page(path) for path in sorted(folder.rglob('*.html'))
             if '_static' not in path.parts}  # where the theme keeps templates
    found = []
    for path in pages:
        found += page_problems(path, pages, folder)
    for path in sorted(folder.rglob('*.css')):
        found += style_problems(path, folder)
    return list(dict.fromkeys(found))
