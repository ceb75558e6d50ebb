"""mkdocs hooks: links that leave docs/, and names in docstrings, lead to their place in the site.

A page of docs/ links to `../configs/senet/x.py` or `../CONTRIBUTING.md`. The site has docs/ as its
root; files outside it that a page links to get their repository path below that root: Markdown
as a page, other text as a page that shows it, a folder as a list.
"""

import os
import re
from functools import partial
from pathlib import Path

from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r'(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)')
LANGUAGES = {'.py': 'python', '.yml': 'yaml', '.json': 'json', '.sh': 'bash', '.sbatch': 'bash'}
ROLE = re.compile(r':(?:attr|class|data|exc|func|meth|mod|obj):<code>[.~]?([\w.]+)</code>')
ANCHOR = re.compile(r'<h\d id="(senet_mm\.[\w.]+)"')


def repository_path(site_path: str) -> Path:
    """Where a page of the site lies in the repository, relative to its root."""
    in_docs = Path('docs', site_path)
    return in_docs if (ROOT / in_docs).exists() else Path(site_path)


def target_of(link: str, page: str) -> Path | None:
    """The file or folder outside docs/, by its path in the repository, that a link leads to."""
    path = Path(os.path.normpath(repository_path(page).parent / link))
    if path.parts[0] in ('docs', '..') or not (ROOT / path).exists():
        return None
    readme = path / 'README.md'
    return readme if (ROOT / readme).exists() else path


def site_path(target: Path) -> str:
    """The name in the site of a file or folder outside docs/."""
    if (ROOT / target).is_dir():
        return f'{target}/README.md'
    return str(target) if target.suffix == '.md' else f'{target}.md'


def content(target: Path) -> str:
    """The page that shows a file or lists a folder."""
    path = ROOT / target
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir() if file.suffix in LANGUAGES)
        return f'# {target}\n\n' + ''.join(f'- [{name}]({name})\n' for name in names)
    if path.suffix == '.md':
        return path.read_text()
    language = LANGUAGES.get(path.suffix, 'text')
    return (
        f'---\nsearch: {{exclude: true}}\n---\n'
        f'# {target}\n\n~~~~~{language}\n{path.read_text()}\n~~~~~\n'
    )


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files outside docs/ that pages link to, and those that these link to."""
    queue = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    while queue:
        page, text = queue.pop()
        for link in LINK.findall(text):
            target = target_of(link, page)
            if target and not files.get_file_from_path(site_path(target)):
                page_text = content(target)
                files.append(File.generated(config, site_path(target), content=page_text))
                if site_path(target).endswith('README.md'):
                    queue.append((site_path(target), page_text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads each link to the place in the site of what it leads to in the repository."""

    def in_site(match: re.Match) -> str:
        link = match[1]
        folder = repository_path(page.file.src_uri).parent
        path = Path(os.path.normpath(folder / link))
        if path.parts[0] == 'docs':
            place = str(path.relative_to('docs'))
        elif target := target_of(link, page.file.src_uri):
            place = site_path(target)
        else:
            return link  # mkdocs names what is missing
        return os.path.relpath(place, os.path.dirname(page.file.src_uri) or '.')

    return LINK.sub(in_site, markdown)


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> None:
    """Makes links of the roles in docstrings, `:func:` and others, as Sphinx does."""
    pages = [file.page for file in files.documentation_pages() if file.page]
    places = {name: page for page in pages for name in ANCHOR.findall(page.content or '')}
    for page in pages:
        page.content = ROLE.sub(partial(link_of_role, page=page, places=places), page.content or '')


def link_of_role(role: re.Match, page: Page, places: dict[str, Page]) -> str:
    """A link to the name; code alone if it is not documented, or if several classes have it."""
    code = f'<code>{role[1]}</code>'
    found = [name for name in places if f'.{name}'.endswith(f'.{role[1]}')]
    if len(found) != 1:
        return code
    url = places[found[0]].file.url_relative_to(page.file)
    return f'<a href="{url}#{found[0]}">{code}</a>'
