"""Signatures in minisign's format, made here with keys of the test."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import one_line_refusal

from kws_device import InputError
from kws_device.model import signature

ed25519 = pytest.importorskip(
    "cryptography.hazmat.primitives.asymmetric.ed25519", reason="cryptography is not installed"
)
CONTENT = b"a model\r\nof two lines"


class Signer:
    """Someone with a secret key."""

    def __init__(self, seed=1):
        self._secret = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.key_id = bytes([seed, 2, 3, 4, 5, 6, 7, 8])
        content = b"Ed" + self.key_id + self._secret.public_key().public_bytes_raw()
        self.key = base64.b64encode(content).decode()

    def sign(self, content, algorithm=b"ED", comment=b"timestamp:1\tfile:model"):
        message = hashlib.blake2b(content).digest() if algorithm == b"ED" else content
        of_content = self._secret.sign(message)
        overall = self._secret.sign(of_content + comment)
        return b"\n".join(
            [
                b"untrusted comment: signature from minisign secret key",
                base64.b64encode(algorithm + self.key_id + of_content),
                b"trusted comment: " + comment,
                base64.b64encode(overall),
                b"",
            ]
        )


@pytest.fixture
def model(tmp_path):
    (tmp_path / "own.tflite").write_bytes(CONTENT)
    return tmp_path / "own.tflite"


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".minisig")


@pytest.mark.parametrize("algorithm", [b"Ed", b"ED"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_what_the_key_has_signed_is_taken(algorithm, line_end, model):
    signer = Signer()
    beside(model).write_bytes(signer.sign(CONTENT, algorithm).replace(b"\n", line_end))
    assert signature.verify(model, CONTENT, signature.public_key(signer.key)) is None


@pytest.mark.parametrize("algorithm", [b"Ed", b"ED"])
def test_another_content_is_refused(algorithm, model):
    signer = Signer()
    beside(model).write_bytes(signer.sign(CONTENT, algorithm))
    with pytest.raises(InputError, match="not what was signed"):
        signature.verify(model, CONTENT + b"x", signature.public_key(signer.key))


def test_another_key_is_refused_and_both_are_named(model):
    beside(model).write_bytes(Signer(2).sign(CONTENT))
    with pytest.raises(InputError, match="key 0807060504030202, not with 0807060504030201"):
        signature.verify(model, CONTENT, signature.public_key(Signer(1).key))


def test_another_key_that_claims_the_same_identity_is_refused(model):
    forger = Signer(2)
    forger.key_id = Signer(1).key_id
    beside(model).write_bytes(forger.sign(CONTENT))
    with pytest.raises(InputError, match="not what was signed"):
        signature.verify(model, CONTENT, signature.public_key(Signer(1).key))


def test_a_changed_trusted_comment_is_refused(model):
    signer = Signer()
    beside(model).write_bytes(signer.sign(CONTENT).replace(b"timestamp:1", b"timestamp:2"))
    with pytest.raises(InputError, match="trusted comment was changed"):
        signature.verify(model, CONTENT, signature.public_key(signer.key))


def test_every_damaged_byte_of_what_counts_is_refused(model):
    signer = Signer()
    key, good = signature.public_key(signer.key), signer.sign(CONTENT)
    start = good.index(b"\n") + 1  # what stands before it is the untrusted comment
    for at in range(start, len(good) - 1):
        beside(model).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(InputError):
            signature.verify(model, CONTENT, key)


@pytest.mark.parametrize(
    "content", [b"", b"\n" * 5, b"untrusted comment: x\nRWQ\ntrusted comment: \n\n", b"x" * 20000]
)
def test_what_is_no_signature_is_refused(content, model):
    beside(model).write_bytes(content)
    with pytest.raises(InputError, match=r"not a minisign signature|too large"):
        signature.verify(model, CONTENT, signature.public_key(Signer().key))


def test_the_key_may_be_a_file_as_minisign_writes_it(tmp_path):
    signer = Signer()
    (tmp_path / "kws.pub").write_text(f"untrusted comment: minisign public key\n{signer.key}\n")
    assert signature.public_key(str(tmp_path / "kws.pub")) == signature.public_key(signer.key)


@pytest.mark.parametrize("key", ["", "RWQ", "no key", "x" * 300, Signer().key[:-4], "é" * 56])
def test_what_is_no_key_is_refused_before_anything_is_heard(key, command, demo):
    result = command("kws-listen", "--require-signature", key, "--file", demo / "demo.flac")
    one_line_refusal(result, "--require-signature", "minisign public key")
    assert result.stdout == ""


def test_without_the_package_one_line_says_what_to_install():
    script = (
        "import sys; sys.modules['cryptography'] = None; from kws_device.cli.listen import entry; "
        "sys.argv = ['kws-listen', '--require-signature', 'RWQ']; entry()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    one_line_refusal(result, "cryptography", "kws-device[signature]")


def test_kws_listen_takes_a_signed_model_alone(command, demo, shipped, tmp_path):
    signer, own = Signer(), Path(shutil.copy(shipped, tmp_path / "own.tflite"))
    options = ["--require-signature", signer.key, "--file", demo / "demo.flac", "--json"]
    one_line_refusal(command("kws-listen", "--model", own, *options), "own.tflite.minisig", "cannot be read")
    beside(own).write_bytes(signer.sign(own.read_bytes()))
    result = command("kws-listen", "--model", own, *options)
    assert result.returncode == 0, result.stderr
    one_line_refusal(command("kws-listen", *options), "kws.tflite.minisig")


def test_an_unsigned_model_is_not_taken_by_a_reload(demo, shipped, tmp_path):
    signer, own = Signer(), Path(shutil.copy(shipped, tmp_path / "own.tflite"))
    beside(own).write_bytes(signer.sign(own.read_bytes()))
    listen = Path(sys.executable).with_name("kws-listen")
    arguments = ["--model", own, "--require-signature", signer.key, "--file", demo / "demo.flac"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([listen, *arguments, "--real-time", "--json"], **pipes) as process:
        process.stdout.readline()
        shutil.copy(shipped.with_name("tiny.tflite"), own)
        process.send_signal(signal.SIGHUP)
        line = process.stderr.readline()
        assert "stays as it was" in line
        assert "not what was signed" in line
        assert json.loads(process.stdout.readline())["type"] == "keyword"
        process.kill()
