"""What MkDocs does beside its own work: pages that follow from the repository, and links that leave ``docs/``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
#: A link of Markdown: its text, and a target that is no address.
LINK = re.compile(r"\[([^\]]*)\]\(((?!https?://|#)[^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the first page, which is README.md, the page of command lines, and the script that draws."""
    sys.path[:0] = [str(ROOT), str(ROOT / "docs")]  # MkDocs restores it after it has read this file
    import manual  # noqa: PLC0415 - docs/manual.py

    readme = LINK.sub(lambda link: f"[{link[1]}]({_from_docs(link[2])})", (ROOT / "README.md").read_text())
    readme = readme.replace('src="docs/', 'src="')
    for name, text in (("index.md", readme), ("command-lines.md", "\n".join(manual.document()))):
        files.append(File.generated(config, name, content=text))
    script = ROOT / "dist" / "mermaid.min.js"
    files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(script)))
    return files


def _from_docs(target: str) -> str:
    """A link of the root folder, as it is in ``docs/``."""
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Replace links to files of the source, which the site does not have, by their text."""
    del config, files
    here = Path("docs", page.file.src_uri).parent

    def kept(link: re.Match[str]) -> str:
        target = Path(ROOT, here, link[2].partition("#")[0]).resolve()
        is_outside = target.exists() and ROOT / "docs" not in target.parents
        return f"{link[1]} (`{target.relative_to(ROOT)}`)" if is_outside else link[0]

    return LINK.sub(kept, markdown)
