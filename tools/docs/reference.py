"Pages of the API reference: what each module exports, for Sphinx's autodoc to fill in."
import ast
import importlib
import inspect
import re
from dataclasses import is_dataclass
from functools import cached_property
from textwrap import dedent

PACKAGE = 'sib_nb'
MAX_VALUE = 60  # characters of a constant's value that are shown
INLINE = re.compile(r'(?P<code>`[^`]+`)|\$(?P<math>[^$\s](?:[^$]*[^$\s])?)\$'
                    r'|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)|(?P<strong>\*\*[^*]+\*\*)'
                    r'|(?P<emphasis>\*[^*\s][^*]*\*)')


def import_module(name: str):
    "A module of the package by its name within it."
    return importlib.import_module(f'{PACKAGE}.{name}')


def is_function(value) -> bool:
    return inspect.isroutine(value) and not inspect.isclass(value)


def unwrap(member):
    "The function behind a property, a class method or a method added by `patch`."
    for attribute in ('fget', 'func', '__func__', 'f'):
        member = getattr(member, attribute, None) or member
    return inspect.unwrap(member) if callable(member) else member


def public_methods(cls) -> dict:
    "Names of a class's own documented methods, and the module that defines each."
    methods = {}
    for name, member in vars(cls).items():
        function = unwrap(member)
        is_method = inspect.isroutine(function) and bool(member.__doc__)
        if is_method and not name.startswith('_') and function.__module__.startswith(PACKAGE):
            methods[name] = function.__module__
    return methods


def full_name(value) -> str:
    return f'{value.__module__}.{value.__qualname__}'


def use_builtin_classmethods(classes: list):
    "Class methods added by `patch` as Sphinx knows them; fastcore has a descriptor of its own."
    for cls in classes:
        for name, member in list(vars(cls).items()):
            if type(member).__name__ == '_clsmethod':
                setattr(cls, name, classmethod(member.f))


def use_written_signatures(modules: list):
    "Functions that take the fields of a dataclass as keywords (`delegates`): as their source has it."
    for module in modules:
        for _, value in public_names(module):
            if is_function(value):
                vars(unwrap(value)).pop('__signature__', None)
                vars(unwrap(value)).pop('__delwrap__', None)


def public_names(module) -> list:
    "What a module exports, as (name, value), in the order of its source."
    return [(name, getattr(module, name)) for name in getattr(module, '__all__', [])]


def public_classes(modules: list) -> list:
    "The classes that the modules export."
    return [value for module in modules for _, value in public_names(module)
            if inspect.isclass(value) and value.__module__ == module.__name__]


def targets(modules: list) -> dict:
    "Names that text in backticks may link to, and where they lead; ambiguous names are left out."
    found = {}
    for module in modules:
        for name, _ in public_names(module):
            found.setdefault(name, set()).add(f'{module.__name__}.{name}')
    for cls in public_classes(modules):
        for name in public_methods(cls):
            found.setdefault(f'{cls.__name__}.{name}', set()).add(f'{full_name(cls)}.{name}')
    return {name: places.pop() for name, places in found.items() if len(places) == 1}


def assignment_comments(source: str, statement_type) -> dict:
    "The comments behind or above assignments: name to comment."
    from sib_nb.docstrings import comment_at
    lines = source.splitlines()
    comments = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, statement_type):
            assigned = getattr(node, 'targets', None) or [node.target]
            comment = comment_at(lines, node.end_lineno, first=2)
            comments |= {ast.unparse(target): comment for target in assigned}
    return comments


def field_comments(cls) -> dict:
    "The comments of the fields of a dataclass or named tuple, inherited ones first."
    comments = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith(PACKAGE):
            continue
        try:
            source = dedent(inspect.getsource(base))
        except OSError:  # made by a call, not by a class statement
            continue
        comments |= assignment_comments(source, ast.AnnAssign)
    return comments


def has_fields(cls) -> bool:
    "Whether a class is a dataclass or a named tuple."
    return inspect.isclass(cls) and (is_dataclass(cls) or hasattr(cls, '_fields'))


def field_rows(cls) -> list:
    "(name, type and default, comment) of each field that the constructor takes."
    comments = field_comments(cls)
    rows = []
    for name, parameter in inspect.signature(cls).parameters.items():
        kind = re.sub(r'\b(?:\w+\.)+(\w+)', r'\1', inspect.formatannotation(parameter.annotation))
        default = f'{parameter.default!r}'
        if parameter.default is not parameter.empty and ' at 0x' not in default:
            kind += f', default {default}'
        rows.append((name, kind.replace('<factory>', 'empty'), comments.get(name, '')))
    return rows


def own_init(cls):
    "The constructor that a class writes itself, if it does."
    init = vars(cls).get('__init__')
    is_written = init is not None and not is_dataclass(cls)
    return init if is_written else None


def field_list(value, to_rst) -> list:
    "Comments behind parameters, fields and what comes back, as fields of reStructuredText."
    lines = []
    if has_fields(value):
        for name, kind, comment in field_rows(value):
            lines += [f':param {name}: {to_rst(comment)}', f':type {name}: {kind}']
        return lines
    function = own_init(value) if inspect.isclass(value) else value
    for name, comment in source_comments(function).items():
        field = ':returns:' if name == 'returns' else f':param {name}:'
        lines.append(f'{field} {to_rst(" ".join(comment.split()))}')
    return lines


def source_comments(function) -> dict:
    "Comments behind the parameters of a function and its result, as `help()` shows them."
    from sib_nb.docstrings import function_comments
    if function is None:
        return {}
    try:
        source = dedent(inspect.getsource(unwrap(function)))
    except (OSError, TypeError):  # made by a call, not written
        return {}
    node = ast.parse(source).body[0]
    is_function = isinstance(node, ast.FunctionDef)
    return function_comments(node, source.splitlines()) if is_function else {}


def signature_problems(modules: list) -> list:
    "Public functions whose signature is not the one of their source, on which Sphinx relies."
    found = []
    for module in modules:
        written = {node.name: node.args for node in ast.parse(inspect.getsource(module)).body
                   if isinstance(node, ast.FunctionDef)}
        for name, value in public_names(module):
            if name in written and is_function(value):
                arguments = written[name]
                sources = [*arguments.posonlyargs, *arguments.args, arguments.vararg,
                           *arguments.kwonlyargs, arguments.kwarg]
                names = [one.arg for one in sources if one]
                if names != list(inspect.signature(unwrap(value)).parameters):
                    found.append(f'{module.__name__}.{name}: its signature is not as written')
    return found


def escape(text: str) -> str:
    "Plain text for reStructuredText."
    return re.sub(r'([\\*|`]|_(?!\w))', r'\\\1', text)


def inline(match, names: dict) -> str:
    "One piece of inline Markdown in reStructuredText."
    kind = match.lastgroup if match.lastgroup != 'url' else 'text'
    content = match[kind]
    if kind == 'code':
        target = names.get(content.strip('`').removesuffix('()'))
        text = f':py:obj:`{content[1:-1]} <{target}>`' if target else f'`{content}`'
    elif kind == 'math':
        text = f':math:`{content}`'
    elif kind == 'text':
        text = f'`{content} <{match["url"]}>`__'
    else:
        text = content
    return f'\\ {text}\\ '


def to_rst(text: str, names: dict) -> str:
    "Inline Markdown (code, mathematics, links, emphasis) to reStructuredText."
    parts, end = [], 0
    for match in INLINE.finditer(text):
        parts += [escape(text[end:match.start()]), inline(match, names)]
        end = match.end()
    return ''.join(parts) + escape(text[end:])


def heading(text: str, mark: str) -> str:
    return f'{text}\n{mark*len(text)}\n'


def constant_entry(name: str, value, comments: dict, names: dict) -> str:
    "A constant with the beginning of its value and its comment."
    shown = re.sub(r'\s+', ' ', repr(value))
    lines = [f'.. py:data:: {name}']
    if len(shown) <= MAX_VALUE and ' at 0x' not in shown:
        lines.append(f'   :value: {shown}')
    return '\n'.join([*lines, '', f'   {to_rst(comments.get(name, ""), names)}', ''])


def method_entry(cls, name: str) -> str:
    "A directive for one method or property."
    member = vars(cls)[name]
    kind = 'property' if isinstance(member, (property, cached_property)) else 'method'
    return f'.. auto{kind}:: {full_name(cls)}.{name}\n'


def class_entry(cls) -> str:
    "A class with the methods that its own module defines, and a word on the others."
    methods = public_methods(cls)
    own = [name for name, module in methods.items() if module == cls.__module__]
    others = [name for name in methods if name not in own]
    parts = [f'.. autoclass:: {full_name(cls)}\n']
    if others:
        links = ', '.join(f':py:obj:`{name} <{full_name(cls)}.{name}>`' for name in others)
        parts.append(f'Added by other modules: {links}\n')
    parts += [method_entry(cls, name) for name in own]
    return parts[0] + '\n' + ''.join(indent(part) + '\n' for part in parts[1:])


def offered_names(names: dict) -> str:
    "The names that the package itself offers."
    package = importlib.import_module(PACKAGE)
    links = [f':py:obj:`{name} <{names[name]}>`' for name in package.__all__ if name in names]
    return f'``import {PACKAGE}`` offers ' + ', '.join(links) + '.\n'


def indent(text: str) -> str:
    return ''.join(f'   {line}\n' for line in text.splitlines())


def added_methods(module, classes: list) -> str:
    "Methods that a module adds to classes of others."
    entries = []
    for cls in classes:
        if cls.__module__ != module.__name__:
            entries += [method_entry(cls, name) for name, origin in public_methods(cls).items()
                        if origin == module.__name__]
    title = heading('Methods added to other classes', '-')
    return '\n'.join([title, *entries]) if entries else ''


def module_page(module, origin: str, classes: list, names: dict) -> str:
    "The reference of one module; `origin` is a line on the notebook that exports it."
    comments = assignment_comments(inspect.getsource(module), ast.Assign)
    constants, entries = [], []
    for name, value in public_names(module):
        if inspect.isclass(value) and value.__module__ == module.__name__:
            entries.append(class_entry(value))
        elif is_function(value) and unwrap(value).__module__ == module.__name__:
            entries.append(f'.. autofunction:: {module.__name__}.{name}\n')
        else:
            constants.append(constant_entry(name, value, comments, names))
    parts = [heading(module.__name__, '='), origin,
             f'.. py:module:: {module.__name__}\n', to_rst(inspect.getdoc(module) or '', names),
             *entries, added_methods(module, classes)]
    if constants:
        parts += [heading('Constants', '-'), *constants]
    return '\n\n'.join(part for part in parts if part) + '\n'
