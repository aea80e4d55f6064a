"""``python -m benchmarks.overload`` looks at its words before it brings up a lab."""

from __future__ import annotations

import pytest

from benchmarks.overload import main


@pytest.mark.parametrize("words", [[], ["many"], ["20000", "4o000"]])
def test_what_is_no_rate_is_an_error_of_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
