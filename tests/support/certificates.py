"""Certificates that a test makes for itself, with the commands of docs/securing.md."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    path: Path
    key: Path


class Authority:
    """Issues certificates; ``certificate`` is the authority's own."""

    def __init__(self, folder: Path, name: str = "OpenFlow CA") -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = Certificate(folder / "ca.pem", folder / "ca.key")
        subject = ["-subj", f"/CN={name}", "-days", "3650"]
        _openssl("req", "-x509", *_NEW_KEY, "-keyout", str(self.certificate.key), *subject, "-out", self._ca)

    @property
    def _ca(self) -> str:
        return str(self.certificate.path)

    def issue(self, name: str, days: int = 825) -> Certificate:
        """A certificate of the name; one of -1 days has expired."""
        path, key, request = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        _openssl("req", *_NEW_KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        authority = ["-CA", self._ca, "-CAkey", str(self.certificate.key), "-CAcreateserial"]
        _openssl("x509", "-req", "-in", str(request), *authority, "-out", str(path), "-days", str(days))
        return Certificate(path, key)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
