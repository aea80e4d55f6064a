"""Reads a configuration of the balancer from IOS commands."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.checks import finish
from ryu_haslb.configuration.draft import Draft, draft_of
from ryu_haslb.configuration.ios.blocks import Blocks
from ryu_haslb.configuration.ios.command_table import GLOBAL
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.language.diagnostics import Diagnostic, Diagnostics


def read_configuration(
    text: str, source: str, base: Optional[Configuration] = None
) -> tuple[Configuration, tuple[Diagnostic, ...]]:
    """Read IOS configuration commands and return the configuration and the warnings.

    ``source`` names the text in errors and warnings. With ``base`` the commands edit that configuration, as if they
    were typed after it. Raises :class:`~ryu_haslb.language.diagnostics.ConfigurationError` with all errors found.
    """
    diagnostics = Diagnostics(source)
    draft = draft_of(base) if base is not None else Draft()
    Blocks(GLOBAL, draft, diagnostics).read(text)
    return finish(draft, diagnostics), diagnostics.sorted_warnings()
