"""The datasets of kws-data download: their addresses, sizes and checksums."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """The archive of a dataset as its publisher serves it."""

    url: str
    """Where it is served, by http or https."""
    checksum: str
    """Of the whole archive: the algorithm as hashlib calls it, `:`, hexadecimal digits."""
    download_bytes: int
    """Size of the archive."""
    unpacked_bytes: int
    """What its files take unpacked; an estimate, rounded up."""
    layout: str
    """What `layouts` recognises it as; whom to name and the licence stand there."""
    root: str = ""
    """The folder of the archive that is the dataset, where it is not the top."""

    @property
    def suffix(self) -> str:
        """The archive's suffix."""
        return ".zip" if self.url.endswith(".zip") else ".tar.gz"


_TENSORFLOW = "https://storage.googleapis.com/download.tensorflow.org/data"
_ESC50_COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"

DATASETS = {
    "speech-commands-v0.01": Published(
        url=f"{_TENSORFLOW}/speech_commands_v0.01.tar.gz",
        checksum="sha256:743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
        download_bytes=1_489_096_277,
        unpacked_bytes=2_200_000_000,
        layout="speech-commands",
    ),
    "speech-commands-v0.02": Published(
        url=f"{_TENSORFLOW}/speech_commands_v0.02.tar.gz",
        checksum="sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        download_bytes=2_428_923_189,
        unpacked_bytes=3_400_000_000,
        layout="speech-commands",
    ),
    "speech-commands-mini": Published(
        url=f"{_TENSORFLOW}/mini_speech_commands.zip",
        checksum="sha256:49650f2341b26d886b46b3f4fb8fed59e30300b17550f1ee4a768b3106cf93a0",
        download_bytes=182_082_353,
        unpacked_bytes=300_000_000,
        layout="speech-commands",
        root="mini_speech_commands",
    ),
    "urbansound8k": Published(
        url="https://zenodo.org/record/1203745/files/UrbanSound8K.tar.gz",
        checksum="md5:9aa69802bbf37fb986f71ec1483a196e",
        download_bytes=6_023_741_708,
        unpacked_bytes=7_200_000_000,
        layout="urbansound8k",
        root="UrbanSound8K",
    ),
    # GitHub makes this archive on demand. Of a branch its bytes change with every commit; of one commit
    # they have been seen unchanged by many, but nobody promises it. Should they change: the checksum refuses.
    "esc50": Published(
        url=f"https://github.com/karolpiczak/ESC-50/archive/{_ESC50_COMMIT}.zip",
        checksum="sha256:661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
        download_bytes=645_832_161,
        unpacked_bytes=900_000_000,
        layout="esc50",
        root=f"ESC-50-{_ESC50_COMMIT}",
    ),
}
