"""Files that look like secrets: none leaves this machine without being named.

By their names (keys, tokens, passwords, the folders of programs that keep them) and by what
private keys begin with. A file of another name with a token inside is not found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from giblet.errors import RemoteError

NAMES = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".htpasswd"),
    *(".npmrc", ".pypirc", ".git-credentials", ".s3cfg", ".boto", ".my.cnf", "kubeconfig"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.ppk", "*.p12"),
    *("*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.keytab", "*.gpg", "*.asc", "*.ovpn"),
    *("secret", "secrets", "secret.*", "secrets.*", "*_secret", "*_secrets", "*_secret.*"),
    *("credentials", "credentials.*", "*_credentials.*", "*-credentials.*", "client_secret*"),
    *("token", "token.*", ".token", "*_token", "*_token.txt", "*.token", "*password*", "passwd"),
    *("service-account*.json", "service_account*.json", "kaggle.json", ".vault_pass*"),
)
# What git is told to keep instead of the real thing, and the public halves of keys.
HARMLESS = ("*.example", "*.sample", "*.template", "*.dist", "*.pub", "*.py", "*.md", "*.rst")
FOLDERS = (".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".gcloud", ".huggingface")
PRIVATE_KEYS = (b"PRIVATE KEY-----", b"PuTTY-User-Key-File", b"PGP PRIVATE KEY BLOCK")
# Keys are small; of large files only the names count.
LARGEST_KEY = 20_000
SHOWN = 10


def looks_secret(root: Path, path: str) -> bool:
    """Whether a file of a folder looks like a secret.

    Parameters
    ----------
    path : from `root`, with ``/`` between its parts
    """
    parts = [part.lower() for part in PurePosixPath(path).parts]
    if any(part in FOLDERS for part in parts[:-1]):
        return True
    name = parts[-1]
    if any(fnmatchcase(name, pattern) for pattern in HARMLESS):
        return False
    return any(fnmatchcase(name, pattern) for pattern in NAMES) or _is_private_key(root / path)


def _is_private_key(file: Path) -> bool:
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > LARGEST_KEY:
            return False
        head = file.read_bytes()[:200]
    except OSError:
        return False
    return any(mark in head for mark in PRIVATE_KEYS)


def refuse_secrets(root: Path, files: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse to send files that look like secrets and were not named.

    Raises
    ------
    RemoteError
        With the files' names and how to send one all the same.
    """
    named = {PurePosixPath(path).as_posix() for path in allowed}
    found = [path for path in files if path not in named and looks_secret(root, path)]
    if found:
        lines = "".join(f"\n  {path}" for path in found[:SHOWN])
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise RemoteError(
            f"nothing was sent: of {root}, {len(found)} file(s) look like secrets:{lines}{more}\n"
            "move them out of the checkout or add them to .gitignore; to send one all the same, "
            "name it with --allow PATH"
        )


def files_below(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Files that named inputs stand for, as paths from `root`; none of nested repositories."""
    for path in paths:
        top = root / path
        if not top.is_dir():
            yield PurePosixPath(path).as_posix()
            continue
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name != ".git"]
            for name in names:
                yield Path(folder, name).relative_to(root).as_posix()
