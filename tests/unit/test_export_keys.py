"""The secret key of pseudonyms: drawn once, kept for its owner alone, and used as RFC 2104 says."""

import hashlib
import hmac
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tutormax_cli.errors import UsageError
from tutormax_cli.exporting.keys import FILE_NAME, PseudonymKey, own_key, read_key


def key_file(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_first_time_draws_a_key_that_stays(tmp_path: Path) -> None:
    first, again = own_key(tmp_path / "home"), own_key(tmp_path / "home")
    assert (first.new, again.new) == (True, False)
    assert first.secret == again.secret and len(first.secret) == 64
    assert stat.S_IMODE((tmp_path / "home" / FILE_NAME).stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "home") == [FILE_NAME]
    assert own_key(tmp_path / "other").secret != first.secret


def test_several_first_times_at_once_give_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: own_key(tmp_path / "home"), range(8)))
    assert len({key.secret for key in keys}) == 1
    assert sum(key.new for key in keys) == 1
    assert os.listdir(tmp_path / "home") == [FILE_NAME]


def test_a_key_file_of_the_users_own(tmp_path: Path) -> None:
    key = read_key(key_file(tmp_path / "key", b"  sixteen letters and more\n"))
    assert key.secret == b"sixteen letters and more"
    assert "sixteen" not in repr(key)


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (b"secret" * 8, 0o640, "others can read"),
        (b"too short\n", 0o600, "has 9 bytes"),
        (None, 0, "there is no key file"),
    ],
)
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes | None, mode: int, message: str) -> None:
    if content is not None:
        key_file(tmp_path / "key", content, mode)
    with pytest.raises(UsageError, match=message):
        read_key(tmp_path / "key")


@pytest.mark.parametrize("length", [16, 64, 65, 200])
def test_the_pads_make_an_hmac(length: int) -> None:
    secret = bytes(range(length))
    inner, outer = PseudonymKey(secret, Path("key")).pads
    text = b"tutor:tutor_00001"
    ours = hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()
    assert ours == hmac.digest(secret, text, "sha256")
