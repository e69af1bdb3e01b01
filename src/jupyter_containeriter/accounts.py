"""The user inside: what every container and every proof finds of accounts."""

from __future__ import annotations

USER_ID = 65532

#: By path below the root. No shell, and nobody to log in.
FILES = {
    "etc/passwd": (
        f"root:x:0:0::/root:/sbin/nologin\ncontaineriter:x:{USER_ID}:{USER_ID}::/tmp:/sbin/nologin\n"
    ).encode(),
    "etc/group": f"root:x:0:\ncontaineriter:x:{USER_ID}:\n".encode(),
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
}
