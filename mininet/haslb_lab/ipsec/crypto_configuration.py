"""What a node's configuration file asks of IPsec, for one of its interfaces."""

from __future__ import annotations

import sys
from pathlib import Path

from haslb_lab.errors import ProgramError
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.translation import Translation, TranslationError, translate
from ryu_haslb.language.diagnostics import ConfigurationError


def read_crypto(path: Path, interface: str) -> tuple[Configuration, Translation]:
    """Read a file in the language of IOS and translate the crypto map of an interface such as ``Vlan15``.

    Warnings go to standard error. Raises OSError with a text for people.
    """
    try:
        loaded = load(path)
        translation = translate(loaded.configuration, interface)
    except (ConfigurationError, TranslationError) as error:
        raise ProgramError(str(error)) from None
    for text in (*loaded.warnings, *(f"interface {interface}: {note}" for note in translation.notes)):
        print(text, file=sys.stderr, flush=True)
    return loaded.configuration, translation
