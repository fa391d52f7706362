"""Jinja2 for the site: escapes everything, knows no undefined name, reads no file outside its folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
)
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newsletter import resources
from newsletter.errors import Finding, Findings, Where
from newsletter.site.compiled import Compiled


class Renderer:
    """Renders templates by name; a publication's own template of the same name comes first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = resources.templates("site", root)
        self.environment: Environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader([str(folder) for folder in self.folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            bytecode_cache=Compiled(self.folders[-1], Path(__file__)),
        )

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """The page that template `name` makes of `values`.

        Raises:
            Findings: the template is missing, is no Jinja2, or asks for what there is not.
        """
        try:
            return self.environment.get_template(name).render(values)
        except TemplateSyntaxError as error:
            raise Findings(
                [
                    self._finding(
                        "NL301",
                        f"the template is not Jinja2: {error.message}",
                        error.filename or error.name or name,
                        error.lineno,
                    )
                ]
            ) from error
        except TemplateNotFound as error:
            raise Findings(
                [
                    Finding(
                        "NL302",
                        f"there is no template {error.name}",
                        Where(f"templates/site/{name}"),
                        "",
                        "templates may use each other's names only; nothing outside templates/site is read",
                    )
                ]
            ) from error
        except (UndefinedError, SecurityError) as error:
            file, line = self._line(error, name)
            raise Findings(
                [
                    self._finding(
                        "NL301",
                        f"the template asks for what there is not: {error.message}",
                        file,
                        line,
                    )
                ]
            ) from error
        except Findings:
            raise
        except Exception as error:  # a template is a program, and somebody else's
            file, line = self._line(error, name)
            raise Findings(
                [
                    self._finding(
                        "NL301", f"the template failed: {error or type(error).__name__}", file, line
                    )
                ]
            ) from error

    def _line(self, error: BaseException, name: str) -> tuple[str, int | None]:
        """The innermost template line of a traceback: Jinja2 maps its own frames."""
        place: tuple[str, int | None] = (name, None)
        trace = error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if any(Path(file).is_relative_to(folder) for folder in self.folders):
                place = (file, trace.tb_lineno)
            trace = trace.tb_next
        return place

    def _finding(self, code: str, what: str, file: str, line: int | None) -> Finding:
        path = Path(file)
        text = None
        try:
            if line:
                text = path.read_text("utf-8").splitlines()[line - 1]
        except (OSError, IndexError, UnicodeDecodeError):
            text = None
        shown = (
            path.relative_to(self.root).as_posix()
            if path.is_relative_to(self.root)
            else path.as_posix()
        )
        return Finding(
            code,
            what,
            Where(shown, line, 1 if text else None, max(1, len((text or "").rstrip())), text),
            "in this line",
            "compare with the template that ships with the program, or delete your own to get it back",
        )
